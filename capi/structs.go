package main

import (
	"unsafe"

	"dpattn/core/fault"
)

// maxStructSize bounds struct_size. No version will come near it, and a struct_size that was never
// set is then refused, not followed out of the caller's memory.
const maxStructSize = 4096

// checkStructSize refuses sizes that no version of T can have had.
func checkStructSize[T any](size uint32, name string) error {
	var t T
	if size == 0 || size > maxStructSize || uintptr(size)%unsafe.Alignof(t) != 0 {
		return fault.Invalid("%s is %d; it must be the sizeof of the struct, which is %d in this version", name, size,
			unsafe.Sizeof(t))
	}
	return nil
}

// bytesOf views the first size bytes at p.
func bytesOf(p unsafe.Pointer, size uintptr) []byte { return unsafe.Slice((*byte)(p), size) }

// readStruct copies a caller's struct, which begins with its size. What an older caller's struct
// lacks is zero; what a newer caller's has beyond ours must be.
func readStruct[T any](dst *T, src unsafe.Pointer, argument string) error {
	if src == nil {
		return missing(argument, "a struct with struct_size set")
	}
	size := *(*uint32)(src)
	if err := checkStructSize[T](size, argument+".struct_size"); err != nil {
		return err
	}
	given := bytesOf(src, uintptr(size))
	known := copy(bytesOf(unsafe.Pointer(dst), unsafe.Sizeof(*dst)), given)
	for _, b := range given[known:] {
		if b != 0 {
			return fault.New(fault.Unsupported,
				"%s has struct_size %d and uses fields that this version, with size %d, does not know",
				argument, size, unsafe.Sizeof(*dst))
		}
	}
	return nil
}

// checkOutputStruct checks a caller's output struct before work is done for it.
func checkOutputStruct[T any](dst unsafe.Pointer, argument string) error {
	if dst == nil {
		return missing(argument, "a struct with struct_size set")
	}
	return checkStructSize[T](*(*uint32)(dst), argument+".struct_size")
}

// writeStruct fills a caller's output struct that checkOutputStruct has passed, as far as its
// struct_size reaches; struct_size stays.
func writeStruct[T any](dst unsafe.Pointer, src *T) {
	size := uintptr(*(*uint32)(dst))
	const first = unsafe.Sizeof(uint32(0))
	copy(bytesOf(dst, size)[first:], bytesOf(unsafe.Pointer(src), unsafe.Sizeof(*src))[first:])
}

// missing is the error for an argument that is NULL.
func missing(argument, must string) error {
	return fault.Invalid("%s is NULL; it must point to %s", argument, must)
}
