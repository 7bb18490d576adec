// Command asm writes the amd64 kernels of package simd, and the tables by which it finds them:
//
//	go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -tables ../tables_amd64.go -pkg simd
//
// The loops that they replace are the functions of generic.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	. "github.com/mmcloughlin/avo/build"

	"dpattn/simd/asm/dispatch"
)

// The shape of a block, and for how many queries the state in 16 bits is read.
var (
	lanes     = dispatch.Const("Lanes")
	step      = dispatch.Const("step")
	row       = 4 * lanes // bytes of one pair in a panel
	shortMost = dispatch.Const("shortMost")
)

var tables dispatch.Tables

// The sets of kernels with 512-bit and with 256-bit vectors.
var (
	sets512 = []string{"avx512vnni", "avx512bw"}
	sets256 = []string{"avx2"}
)

// doc sets the doc comment of the kernel begun last.
func doc(format string, args ...any) { Doc(dispatch.Doc(fmt.Sprintf(format, args...))...) }

func main() {
	path := flag.String("tables", "", "file of the tables")
	ConstraintExpr("amd64")
	scale512()
	lift512()
	pack512()
	for _, vnni := range []bool{true, false} {
		gen512(vnni)
		for w := 1; w <= cols512; w++ {
			tile512(vnni, w)
		}
		nearest512(vnni)
	}
	scale256()
	lift256()
	pack256()
	gen256()
	for w := 1; w <= cols256; w++ {
		tile256(w)
	}
	nearest256()
	query512()
	query256()
	vectors()
	weights()
	Generate()
	tables.Write(*path, "go run . "+strings.Join(os.Args[1:], " "))
}
