package main

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
)

func attack() {
	var started sync.WaitGroup
	for i := 0; i < 1000; i++ {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			syscall.Pause()
		}()
	}
	started.Wait()
	fmt.Println("a thousand threads")
}
