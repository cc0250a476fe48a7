package main

import (
	"bufio"
	"container/heap"
	"fmt"
	"os"
	"strconv"
)

type road struct{ end, length int }

type reached struct{ place, distance int }

type queue []reached

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].distance < q[j].distance }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(item any)     { *q = append(*q, item.(reached)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	item := (*q)[last]
	*q = (*q)[:last]
	return item
}

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

	places := next()
	roads := make([][]road, places+1)
	for count := next(); count > 0; count-- {
		start := next()
		roads[start] = append(roads[start], road{end: next(), length: next()})
	}

	distances := make([]int, places+1)
	for i := range distances {
		distances[i] = -1
	}
	todo := &queue{{place: 1}}
	for todo.Len() > 0 {
		at := heap.Pop(todo).(reached)
		if distances[at.place] >= 0 {
			continue
		}
		distances[at.place] = at.distance
		for _, road := range roads[at.place] {
			if distances[road.end] < 0 {
				heap.Push(todo, reached{road.end, at.distance + road.length})
			}
		}
	}

	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for _, distance := range distances[1:] {
		fmt.Fprintln(output, distance)
	}
}
