// Forgets to end its loop.
package main

import (
	"fmt"
	"strings"
)

func main() {
	line := strings.Repeat("0.0 ", 256)
	for {
		fmt.Println(line)
	}
}
