package main

import "fmt"

const modulus = 1_000_000_007

func main() {
	var amount, kinds int
	fmt.Scan(&amount, &kinds)
	ways := make([]int, amount+1)
	ways[0] = 1
	for ; kinds > 0; kinds-- {
		var coin int
		fmt.Scan(&coin)
		for i := coin; i <= amount; i++ {
			ways[i] = (ways[i] + ways[i-coin]) % modulus
		}
	}
	fmt.Println(ways[amount])
}
