package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	scanner.Scan()
	groups := make(map[string][]string)
	for scanner.Scan() {
		letters := []byte(scanner.Text())
		sort.Slice(letters, func(i, j int) bool { return letters[i] < letters[j] })
		groups[string(letters)] = append(groups[string(letters)], scanner.Text())
	}

	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for _, group := range groups {
		if len(group) > 1 {
			sort.Strings(group)
			fmt.Fprintln(output, strings.Join(group, " "))
		}
	}
}
