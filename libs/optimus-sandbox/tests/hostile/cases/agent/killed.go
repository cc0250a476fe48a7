package main

import (
	"os"
	"syscall"
)

func attack() {
	// As the agent or the kernel would kill it for its memory or its time.
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
