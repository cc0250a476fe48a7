// Reads beyond the last number, and panics.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	input, _ := io.ReadAll(os.Stdin)
	fields := strings.Fields(string(input))
	count, _ := strconv.Atoi(fields[0])
	sum := 0
	for i := 0; i <= count; i++ {
		number, _ := strconv.Atoi(fields[1+i])
		sum += number
	}
	fmt.Println(sum)
}
