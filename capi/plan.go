package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core"
)

//export go_dpattn_params_init
func go_dpattn_params_init(params *C.dpattn_params, structSize C.uint32_t, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	if params == nil {
		return finish(missing("params", "a dpattn_params"), err)
	}
	if e := checkStructSize[C.dpattn_params](uint32(structSize), "struct_size"); e != nil {
		return finish(e, err)
	}
	clear(bytesOf(unsafe.Pointer(params), uintptr(structSize)))
	params.struct_size = structSize
	return C.DPATTN_OK
}

//export go_dpattn_plan
func go_dpattn_plan(params *C.const_params, rows C.uint64_t, budget *C.const_budget, targetError C.double,
	result *C.dpattn_plan_result, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	p, e := readParams(params)
	if e != nil {
		return finish(e, err)
	}
	b, e := readBudget(budget)
	if e != nil {
		return finish(e, err)
	}
	if e := checkOutputStruct[C.dpattn_plan_result](unsafe.Pointer(result), "result"); e != nil {
		return finish(e, err)
	}
	r, e := core.Plan(p, uint64(rows), b, float64(targetError))
	if e != nil {
		return finish(e, err)
	}
	writeStruct(unsafe.Pointer(result), &C.dpattn_plan_result{
		degree:                 C.uint32_t(r.Degree),
		features:               C.uint64_t(r.Features),
		state_bytes:            C.uint64_t(r.StateBytes),
		release_bytes:          C.uint64_t(r.ReleaseBytes),
		logit_bound:            C.double(r.LogitBound),
		polynomial_error:       C.double(r.PolynomialError),
		mu:                     C.double(r.Mu),
		sigma_over_sensitivity: C.double(r.SigmaOverSensitivity),
		noise_stddev:           C.double(r.NoiseStddev),
		noise_stddev_worst:     C.double(r.NoiseStddevWorst),
		rows_for_error:         C.uint64_t(r.RowsForError),
	})
	return C.DPATTN_OK
}
