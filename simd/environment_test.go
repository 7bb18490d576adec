//go:build amd64 || arm64

package simd

import (
	"runtime"
	"testing"
)

// Bits of the control registers that flush subnormals and round upward.
var strange = map[string]uint32{"amd64": 0x1f80 | 1<<15 | 1<<6 | 2<<13, "arm64": 1<<24 | 1<<22}

// Plain gives work the plain mode on a thread in a strange one, and gives that back, after a panic
// too.
func TestPlain(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mode := strange[runtime.GOARCH]
	before := swapEnvironment(mode)
	defer swapEnvironment(before)
	sums := [2]float64{}
	sums[0] = add(1, 0x1p-60)
	func() {
		defer func() { _ = recover() }()
		Plain(func() {
			sums[1] = add(1, 0x1p-60)
			panic("in between")
		})
	}()
	after := swapEnvironment(mode)
	if sums[0] == 1 {
		t.Error("the strange mode did nothing: this test sees nothing")
	}
	if sums[1] != 1 {
		t.Errorf("within Plain 1 + 2^-60 is %v", sums[1])
	}
	if after&mode != mode {
		t.Errorf("the mode is %#x, it was %#x", after, mode)
	}
}

// add is not inlined: the compiler would add constants itself.
//
//go:noinline
func add(a, b float64) float64 { return a + b }
