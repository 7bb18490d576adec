package main

// #include "internal.h"
import "C"

import (
	"math"
	"unsafe"

	"dpattn/core/fault"
)

// view is a slice over n elements of the caller's memory, nil for NULL.
func view[T any](p unsafe.Pointer, n int) []T {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*T)(p), n)
}

// buffer is a caller's output buffer by the header's convention: capacity and *needed count
// elements, and NULL with capacity 0 asks for the size.
type buffer[T any] struct {
	elements []T
	needed   *C.size_t
}

func newBuffer[T any](argument string, data unsafe.Pointer, capacity C.size_t, needed *C.size_t) (buffer[T], error) {
	if needed == nil {
		return buffer[T]{}, missing("needed", "a size_t")
	}
	if data == nil && capacity != 0 {
		return buffer[T]{}, fault.Invalid(
			"%s is NULL with capacity %d; it must point to that much, or capacity must be 0", argument, capacity)
	}
	// A capacity such as SIZE_MAX says no more than that there is room up to the end of memory.
	var t T
	reach := min(uint64(-uintptr(data)), math.MaxInt) / uint64(unsafe.Sizeof(t))
	return buffer[T]{view[T](data, int(min(uint64(capacity), reach))), needed}, nil
}

// fill copies the whole of src, or says what it needs.
func (b buffer[T]) fill(src []T) error {
	if len(src) > len(b.elements) {
		return b.done(len(src), tooSmall(len(b.elements), len(src)))
	}
	copy(b.elements, src)
	return b.done(len(src), nil)
}

// tooSmall is the error for a buffer of that many elements.
func tooSmall(capacity, needed int) error {
	return fault.New(fault.BufferTooSmall, "capacity is %d; it must be at least %d", capacity, needed)
}

// done passes on the outcome of a function that needed so many elements.
func (b buffer[T]) done(needed int, err error) error {
	if code := fault.CodeOf(err); code == fault.OK || code == fault.BufferTooSmall {
		*b.needed = C.size_t(needed)
	}
	return err
}

// input views a caller's read-only bytes.
func input(data unsafe.Pointer, size C.size_t) ([]byte, error) {
	if data == nil {
		return nil, missing("data", "the bytes")
	}
	if uint64(size) > math.MaxInt {
		return nil, fault.Invalid("size is %d; it must be the number of bytes at data", size)
	}
	return view[byte](data, int(size)), nil
}
