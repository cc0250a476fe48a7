// Goes through all roads until nothing gets shorter: right, but up to 10^10 steps.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
)

const unreached = math.MaxInt / 2

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	next := func() int {
		scanner.Scan()
		number, err := strconv.Atoi(scanner.Text())
		if err != nil {
			panic(err)
		}
		return number
	}

	distances := make([]int, next()+1)
	for i := range distances {
		distances[i] = unreached
	}
	distances[1] = 0
	roads := make([]struct{ start, end, length int }, next())
	for i := range roads {
		roads[i].start, roads[i].end, roads[i].length = next(), next(), next()
	}

	for changed := true; changed; {
		changed = false
		for _, road := range roads {
			distance := distances[road.start] + road.length
			if distances[road.start] < unreached && distance < distances[road.end] {
				distances[road.end] = distance
				changed = true
			}
		}
	}

	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for _, distance := range distances[1:] {
		if distance == unreached {
			distance = -1
		}
		fmt.Fprintln(output, distance)
	}
}
