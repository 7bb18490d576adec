package main

import (
	"testing"
	"unsafe"

	"dpattn/core/fault"
)

// Three versions of one struct, each longer than the one before.
type (
	older   struct{ size, a uint32 }
	present struct {
		size, a uint32
		b       float64
	}
	newer struct {
		size, a uint32
		b       float64
		c       uint64
	}
)

func TestReadStruct(t *testing.T) {
	check := func(name string, p unsafe.Pointer, want present, code fault.Code) {
		t.Helper()
		var got present
		err := readStruct(&got, p, "thing")
		if fault.CodeOf(err) != code || (code == fault.OK && got != want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	check("NULL", nil, present{}, fault.InvalidArgument)
	check("same", unsafe.Pointer(&present{16, 5, 2.5}), present{16, 5, 2.5}, fault.OK)
	check("older", unsafe.Pointer(&older{8, 5}), present{8, 5, 0}, fault.OK)
	check("newer, unused", unsafe.Pointer(&newer{24, 5, 2.5, 0}), present{24, 5, 2.5}, fault.OK)
	check("newer, used", unsafe.Pointer(&newer{24, 5, 2.5, 1 << 63}), present{}, fault.Unsupported)
	for _, size := range []uint32{0, 1, 4, 12, 15, 17, maxStructSize + 8, 1 << 31, ^uint32(0)} {
		check("odd size", unsafe.Pointer(&newer{size, 5, 2.5, 0}), present{}, fault.InvalidArgument)
	}
}

func TestWriteStruct(t *testing.T) {
	full := newer{24, 1, 1, 1}
	writeStruct(unsafe.Pointer(&full), &present{99, 7, 2.5})
	if full != (newer{24, 7, 2.5, 1}) {
		t.Errorf("newer caller got %+v", full)
	}
	short := newer{8, 1, 1, 1}
	writeStruct(unsafe.Pointer(&short), &present{99, 7, 2.5})
	if short != (newer{8, 7, 1, 1}) {
		t.Errorf("older caller got %+v", short)
	}
}
