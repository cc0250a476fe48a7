package main

import "fmt"

func deeper(n int) int {
	var room [256]int
	room[n%256] = n
	return deeper(n+1) + room[0]
}

func attack() {
	fmt.Println(deeper(0))
}
