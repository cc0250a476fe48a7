package main

import (
	"fmt"
	"os"
)

func attack() {
	fmt.Println("withstood")
	// The kernel keeps eight bits: it is an exit with 0.
	os.Exit(256)
}
