package main

import "runtime"

func attack() {
	runtime.GOMAXPROCS(8)
	for i := 0; i < 8; i++ {
		go func() {
			for {
			}
		}()
	}
	select {}
}
