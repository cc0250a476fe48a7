package main

import (
	"fmt"
	"os"
)

func attack() {
	for _, path := range []string{"/run/optimus", "/run/optimus/job", "/run/optimus/inputs", "/run/optimus/.."} {
		if entries, err := os.ReadDir(path); err == nil && path != "/run/optimus/.." {
			for _, entry := range entries {
				fmt.Println("there is", path, entry.Name())
			}
		}
		if err := os.WriteFile(path+"/mine", nil, 0600); err == nil {
			fmt.Println("wrote to", path)
		}
	}
	if os.Chmod("/run/optimus", 0777) == nil || os.Rename("/run/optimus", "/run/mine") == nil {
		fmt.Println("changed the folder of the agent")
	}
	fmt.Println("withstood")
}
