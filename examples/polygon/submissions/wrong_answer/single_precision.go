// Loses digits in single precision.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
)

func main() {
	input := bufio.NewReader(os.Stdin)
	var count int
	fmt.Fscan(input, &count)
	x := make([]float32, count)
	y := make([]float32, count)
	for i := range x {
		fmt.Fscan(input, &x[i], &y[i])
	}
	var doubledArea, perimeter float32
	for i := range x {
		next := (i + 1) % count
		doubledArea += x[i]*y[next] - x[next]*y[i]
		perimeter += float32(math.Hypot(float64(x[next]-x[i]), float64(y[next]-y[i])))
	}
	fmt.Println(math.Abs(float64(doubledArea))/2, perimeter)
}
