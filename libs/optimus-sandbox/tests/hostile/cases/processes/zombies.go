package main

import (
	"fmt"
	"syscall"
)

func attack() {
	for i := 0; i < 200; i++ {
		if _, err := syscall.ForkExec("/bin/true", []string{"true"}, nil); err != nil {
			break
		}
	}
	fmt.Println("withstood")
}
