package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func attack() {
	tried := 0
	for _, root := range []string{"/optimus", "/usr/local/go", "/usr/bin", "/usr/lib", "/usr/local/bin"} {
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || tried > 3000 {
				return fs.SkipDir
			}
			tried++
			if entry.IsDir() {
				if os.WriteFile(path+"/mine", nil, 0600) == nil {
					fmt.Println("wrote to", path)
				}
			} else if entry.Type().IsRegular() {
				if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
					fmt.Println("may write to", path)
					file.Close()
				}
				if os.Chmod(path, 0777) == nil {
					fmt.Println("changed the mode of", path)
				}
			}
			return nil
		})
	}
	if tried < 10 {
		fmt.Println("there is no toolchain")
	}
	fmt.Println("withstood")
}
