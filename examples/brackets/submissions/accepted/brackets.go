package main

import (
	"bufio"
	"fmt"
	"os"
)

func isBalanced(line []byte) bool {
	awaited := make([]byte, 0, len(line))
	for _, bracket := range line {
		switch bracket {
		case '(':
			awaited = append(awaited, ')')
		case '[':
			awaited = append(awaited, ']')
		case '{':
			awaited = append(awaited, '}')
		default:
			last := len(awaited) - 1
			if last < 0 || awaited[last] != bracket {
				return false
			}
			awaited = awaited[:last]
		}
	}
	return len(awaited) == 0
}

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 4<<20)
	scanner.Split(bufio.ScanWords)
	scanner.Scan()
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for scanner.Scan() {
		if isBalanced(scanner.Bytes()) {
			fmt.Fprintln(output, "Yes")
		} else {
			fmt.Fprintln(output, "No")
		}
	}
}
