// Comes along with every hostile program in Go: reads what is asked for and does all but the attack.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Which attack of its job this is, from 1 on.
var number int

func spoiled(what string) {
	fmt.Println("spoiled:", what)
	os.Exit(0)
}

func look(place string) {
	entries, err := os.ReadDir(place)
	if err != nil {
		spoiled(err.Error())
	}
	for _, entry := range entries {
		info, err := os.Lstat(place + "/" + entry.Name())
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) == os.Getuid() {
			spoiled("there is already " + place + "/" + entry.Name())
		}
	}
	file := place + "/honest"
	if err := os.WriteFile(file, make([]byte, 1<<20), 0600); err != nil {
		spoiled(err.Error())
	}
	os.Remove(file)
}

func main() {
	line, letter := "", []byte{0}
	for !strings.HasSuffix(line, "\n") {
		if n, _ := os.Stdin.Read(letter); n != 1 {
			break
		}
		line += string(letter)
	}
	words := strings.Fields(line)
	switch words[0] {
	case "answer":
	case "honest":
		for _, place := range []string{"/box", "/tmp", "/dev/shm"} {
			look(place)
		}
		fmt.Println("honest", words[1])
	default:
		number, _ = strconv.Atoi(words[1])
		attack()
	}
}
