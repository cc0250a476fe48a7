package main

func attack() {
	var all [][]byte
	for {
		more := make([]byte, 1<<20)
		for i := range more {
			more[i] = 1
		}
		all = append(all, more)
	}
}
