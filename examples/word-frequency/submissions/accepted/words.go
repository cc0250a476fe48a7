package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"
)

func main() {
	input := bufio.NewReader(os.Stdin)
	var limit int
	if _, err := fmt.Fscanln(input, &limit); err != nil {
		panic(err)
	}
	text, err := io.ReadAll(input)
	if err != nil {
		panic(err)
	}

	counts := make(map[string]int)
	noLetter := func(r rune) bool { return r < 'a' || r > 'z' }
	for _, word := range bytes.FieldsFunc(bytes.ToLower(text), noLetter) {
		counts[string(word)]++
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		words = append(words, word)
	}
	sort.Slice(words, func(i, j int) bool {
		if counts[words[i]] != counts[words[j]] {
			return counts[words[i]] > counts[words[j]]
		}
		return words[i] < words[j]
	})

	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for i, word := range words {
		if i == limit {
			break
		}
		fmt.Fprintln(output, word, counts[word])
	}
}
