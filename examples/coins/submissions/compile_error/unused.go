package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("nobody uses os")
}
