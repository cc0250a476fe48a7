package main

import (
	"fmt"
	"os/exec"
	"syscall"
)

func attack() {
	for i := 0; i < 30; i++ {
		child := exec.Command("sh", "-c", "trap '' HUP TERM INT; while :; do sleep 1000; done")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: i%2 == 0}
		child.Start()
	}
	fmt.Println("withstood")
}
