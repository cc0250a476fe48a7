// Takes no CPU time, and no end.
package main

import "time"

func main() {
	time.Sleep(10 * time.Minute)
}
