package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
)

type point struct{ x, y int }

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

	points := make([]point, next())
	for i := range points {
		points[i] = point{x: next(), y: next()}
	}
	doubledArea := 0
	perimeter := 0.0
	last := points[len(points)-1]
	for _, p := range points {
		doubledArea += last.x*p.y - p.x*last.y
		perimeter += math.Hypot(float64(p.x-last.x), float64(p.y-last.y))
		last = p
	}
	fmt.Println(math.Abs(float64(doubledArea))/2, perimeter)
}
