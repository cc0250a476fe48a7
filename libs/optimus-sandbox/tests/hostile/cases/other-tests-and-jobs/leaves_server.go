package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

var places = [][2]string{{"tcp", "127.0.0.1:4711"}, {"unix", "@mine"}, {"unix", "/tmp/mine"}}

func serve() {
	for _, place := range places {
		server, err := net.Listen(place[0], place[1])
		if err != nil {
			os.Exit(1)
		}
		go func() {
			for {
				if client, err := server.Accept(); err == nil {
					client.Write([]byte("42"))
				}
			}
		}()
	}
	os.Stdout.WriteString("ready")
	os.Stdout.Close()
	select {}
}

func attack() {
	if os.Getenv("SERVE") != "" {
		serve()
	}
	if number == 1 {
		child := exec.Command("/box/.optimus/main")
		child.Env = []string{"SERVE=1"}
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		input, _ := child.StdinPipe()
		output, _ := child.StdoutPipe()
		child.Start()
		input.Write([]byte("attack 1\n"))
		buffer := make([]byte, 5)
		if n, _ := output.Read(buffer); n != 5 {
			fmt.Println("the server does not start")
		}
	}
	for _, place := range places {
		client, err := net.DialTimeout(place[0], place[1], time.Second)
		if (err == nil) != (number == 1) {
			fmt.Println("at", place, err)
		}
		if err == nil {
			client.Close()
		}
	}
	fmt.Println("withstood")
}
