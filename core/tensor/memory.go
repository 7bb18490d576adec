package tensor

import "unsafe"

// Views may be unaligned. A copy through a byte array is an ordinary load or store where the
// machine allows one, and is right everywhere.

func load16(p unsafe.Pointer) (v uint16) {
	*(*[2]byte)(unsafe.Pointer(&v)) = *(*[2]byte)(p)
	return v
}

func load32(p unsafe.Pointer) (v uint32) {
	*(*[4]byte)(unsafe.Pointer(&v)) = *(*[4]byte)(p)
	return v
}

func load64(p unsafe.Pointer) (v uint64) {
	*(*[8]byte)(unsafe.Pointer(&v)) = *(*[8]byte)(p)
	return v
}

func store16(p unsafe.Pointer, v uint16) { *(*[2]byte)(p) = *(*[2]byte)(unsafe.Pointer(&v)) }
func store32(p unsafe.Pointer, v uint32) { *(*[4]byte)(p) = *(*[4]byte)(unsafe.Pointer(&v)) }
func store64(p unsafe.Pointer, v uint64) { *(*[8]byte)(p) = *(*[8]byte)(unsafe.Pointer(&v)) }
