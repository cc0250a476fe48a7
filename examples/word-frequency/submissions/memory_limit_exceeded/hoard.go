// Keeps much more than it needs: up to 1 GiB.
package main

import (
	"bytes"
	"fmt"
)

func main() {
	var hoard [][]byte
	for i := 0; i < 64; i++ {
		hoard = append(hoard, bytes.Repeat([]byte("x"), 16<<20))
	}
	fmt.Println(len(hoard), hoard[63][0])
}
