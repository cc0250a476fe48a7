package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func attack() {
	script := `trap '' HUP TERM
for place in /tmp /dev/shm /box; do
    cd $place; mkdir gone; cd gone
    head -c 3000000 /dev/zero >file
    case $place in /tmp) exec 3<file ;; /box) exec 4<file ;; *) exec 5<file ;; esac
    rm file; rmdir ../gone
done
echo ready; exec >&-
sleep 1000`
	child := exec.Command("sh", "-c", script)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, _ := child.StdoutPipe()
	child.Start()
	buffer := make([]byte, 6)
	output.Read(buffer)
	if string(buffer) != "ready\n" {
		fmt.Println("not ready")
		os.Exit(1)
	}
	fmt.Println("withstood")
}
