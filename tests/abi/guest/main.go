// Package main is somebody else's C library in Go, with a runtime of its own: garbage, goroutines,
// collections. A host loads it beside dpattn.
package main

import "C"

import (
	"runtime"
	"sync"
)

//export guest_work
func guest_work(n C.int) C.int {
	var wg sync.WaitGroup
	sums := make([]int, 8)
	for i := range sums {
		wg.Go(func() {
			for j := range int(n) {
				garbage := make([]int, 100+j%7)
				garbage[0] = j
				sums[i] += garbage[0]
			}
		})
	}
	wg.Wait()
	runtime.GC()
	total := 0
	for _, s := range sums {
		total += s
	}
	return C.int(total)
}

func main() {}
