package main

import (
	"os"
	"os/exec"
)

func attack() {
	reader, _, _ := os.Pipe()
	child := exec.Command("cat")
	child.Stdin = reader
	// The other end stays open here, so the child waits for ever, and so does this process.
	child.Run()
}
