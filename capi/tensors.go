package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core/fault"
	"dpattn/core/tensor"
)

// readTensor makes a view of a caller's tensor. core checks the view.
func readTensor(dst *tensor.Tensor, src *C.const_tensor, argument string) error {
	if src == nil {
		return missing(argument, "a dpattn_tensor")
	}
	dst.Data, dst.DType, dst.NDim = src.data, tensor.DType(src.dtype), int(src.ndim)
	for a := 0; a < len(dst.Shape) && a < dst.NDim; a++ {
		dst.Shape[a], dst.Strides[a] = int(src.shape[a]), int(src.strides[a])
		if int64(dst.Shape[a]) != int64(src.shape[a]) || int64(dst.Strides[a]) != int64(src.strides[a]) {
			return fault.Invalid("%s: shape and strides reach outside the address space", argument)
		}
	}
	return nil
}

// readOptionalTensor returns nil for a tensor that the caller does not want. It is small enough to
// be inlined, so that the view stays on the stack if core lets it.
func readOptionalTensor(src *C.const_tensor, argument string) (*tensor.Tensor, error) {
	if src == nil {
		return nil, nil
	}
	dst := new(tensor.Tensor)
	return dst, readTensor(dst, src, argument)
}

// maxRows is the most rows that a head takes; core counts them over all calls.
const maxRows = 1 << 30

// readOwners views one owner id a row of keys.
func readOwners(owners *C.const_uint64, keys *tensor.Tensor) ([]uint64, error) {
	if owners == nil {
		return nil, nil
	}
	if err := keys.Check("keys"); err != nil {
		return nil, err
	}
	rows := keys.Shape[keys.NDim-2]
	if rows > maxRows {
		return nil, fault.New(fault.Limit, "keys has %d rows; a head takes at most %d", rows, maxRows)
	}
	return view[uint64](unsafe.Pointer(owners), rows), nil
}
