package main

import (
	"fmt"
	"os/exec"
	"syscall"
)

func attack() {
	// As container tools written in Go do it.
	through := ""
	for _, flags := range []uintptr{syscall.CLONE_NEWUSER, syscall.CLONE_NEWNS, syscall.CLONE_NEWPID, syscall.CLONE_NEWNET} {
		child := exec.Command("./.optimus/main")
		child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if child.Start() == nil {
			through += fmt.Sprintf("a process in new namespaces %x\n", flags)
			child.Wait()
		}
	}
	if syscall.Mount("none", "/tmp", "tmpfs", 0, "") == nil {
		through += "a mount\n"
	}
	if syscall.Unshare(syscall.CLONE_NEWUSER) != syscall.ENOSYS {
		through += "unshare\n"
	}
	if through == "" {
		through = "withstood\n"
	}
	fmt.Print(through)
}
