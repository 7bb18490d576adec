package main

// #include "internal.h"
import "C"

import (
	"dpattn/core"
	"dpattn/core/tensor"
)

//export go_dpattn_merge
func go_dpattn_merge(outA, lseA, outB, lseB, out, lse *C.const_tensor, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	var oa, la, ob, lb, o tensor.Tensor
	if e := readTensor(&oa, outA, "out_a"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&la, lseA, "lse_a"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&ob, outB, "out_b"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&lb, lseB, "lse_b"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&o, out, "out"); e != nil {
		return finish(e, err)
	}
	l, e := readOptionalTensor(lse, "lse")
	if e != nil {
		return finish(e, err)
	}
	return finish(core.MergeAttention(oa, la, ob, lb, o, l), err)
}
