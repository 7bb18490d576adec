// Command asm writes the amd64 kernels of package simd:
//
//	go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg simd
//
// The loops that they replace are the functions of generic.go.
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

// The shape of a block, as in batch.go.
const (
	lanes = 32
	step  = 16
	row   = 4 * lanes // bytes of one pair in a panel
)

func main() {
	ConstraintExpr("amd64")
	scale512()
	lift512()
	pack512()
	for _, vnni := range []bool{true, false} {
		gen512(vnni)
		for w := 1; w <= cols512; w++ {
			tile512(vnni, w)
		}
	}
	scale256()
	lift256()
	pack256()
	gen256()
	for w := 1; w <= cols256; w++ {
		tile256(w)
	}
	query512()
	query256()
	vectors()
	Generate()
}
