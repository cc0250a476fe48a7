// Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says.
// The collector does not run: when it does is chance.
package main

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const mib = 1 << 20

var kept []any

func touched(bytes int) []byte {
	all := make([]byte, bytes)
	for at := 0; at < bytes; at += 4096 {
		all[at] = 1
	}
	return all
}

func writeFile(path string, bytes int) {
	file, err := os.Create(path)
	if err != nil {
		os.Exit(91)
	}
	data := make([]byte, 1<<16)
	for at := 0; at < bytes; at += len(data) {
		if _, err := file.Write(data); err != nil {
			os.Exit(92)
		}
	}
}

func deeper(depth int) int {
	var frame [1024]byte
	frame[depth%1024] = 1
	if depth == 0 {
		return 1
	}
	return deeper(depth-1) + int(frame[depth%1024])
}

func main() {
	debug.SetGCPercent(-1)
	in := bufio.NewReader(os.Stdin)
	kind, _ := in.ReadString('\n')
	words := strings.Fields(kind)
	hold, _ := strconv.Atoi(words[1])
	switch words[0] {
	case "nothing":
	case "hello":
		println("hello")
	case "array":
		kept = append(kept, touched(20*mib))
	case "small":
		for i := 0; i < 100000; i++ {
			kept = append(kept, new([32]byte))
		}
	case "threads":
		var all sync.WaitGroup
		parts := make([][]byte, 4)
		for i := range parts {
			all.Add(1)
			go func(i int) { parts[i] = touched(2 * mib); all.Done() }(i)
		}
		all.Wait()
		kept = append(kept, parts)
	case "file":
		writeFile("/dev/shm/file", 8*mib)
	case "recursion":
		deeper(4000)
	case "output":
		out := bufio.NewWriter(os.Stdout)
		line := strings.Repeat("1", 63) + "\n"
		for at := 0; at < 8*mib; at += len(line) {
			out.WriteString(line)
		}
		out.Flush()
	case "input":
		all := make([]byte, 8*mib)
		if _, err := io.ReadFull(in, all); err != nil {
			os.Exit(93)
		}
		kept = append(kept, all)
	case "fill":
		writeFile("/tmp/fill", 48*mib)
		writeFile("/dev/shm/fill", 48*mib)
	default:
		os.Exit(95)
	}
	time.Sleep(time.Duration(hold) * time.Millisecond)
}
