// Dies by SIGKILL, sent by itself: no proof that it is out of memory.
package main

import (
	"os"
	"syscall"
)

func main() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {}
}
