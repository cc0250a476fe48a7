package main

import "os"

func attack() {
	part := make([]byte, 1<<20)
	for i := range part {
		part[i] = 'x'
	}
	for i := 0; i < 1024; i++ {
		os.Stdout.Write(part)
	}
}
