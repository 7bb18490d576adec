package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core"
	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// maxDim bounds heads and key_dim where a pointer's reach depends on them. core checks both again, with all other parameters.
const maxDim = 1 << 16

// readParams copies a caller's params. The slices still view the caller's memory; core copies what it keeps.
func readParams(src *C.const_params) (core.Params, error) {
	var p C.dpattn_params
	if err := readStruct(&p, unsafe.Pointer(src), "params"); err != nil {
		return core.Params{}, err
	}
	params := core.Params{
		Heads: int(p.heads), KeyDim: int(p.key_dim), ValueDim: int(p.value_dim), Degree: int(p.degree),
		Mechanism: core.Mechanism(p.mechanism), Polynomial: core.Polynomial(p.polynomial), Adjacency: core.Adjacency(p.adjacency),
		OwnerRows: int(p.owner_rows), Rotation: core.Rotation(p.rotation),
		KeyBound: float64(p.key_bound), ValueBound: float64(p.value_bound), QueryBound: float64(p.query_bound),
		Scale: float64(p.scale), Lambda: float64(p.lambda), OwnerBound: float64(p.owner_bound),
	}
	params.Range, params.ValueRange = float64(p._range), float64(p.value_range)
	params.RelativeError, params.FailureProbability, params.CopyFactor = float64(p.relative_error), float64(p.failure_probability), float64(p.copy_factor)
	params.Rows, params.Leaves, params.Copies, params.Trees = uint64(p.rows), int(p.leaves), int(p.copies), core.Trees(p.trees)
	if p.reserved != 0 {
		return core.Params{}, fault.Invalid("params.reserved is %d; it must be 0", p.reserved)
	}
	if p.heads <= maxDim && p.key_dim <= maxDim {
		heads := max(params.Heads, 1)
		params.Center = view[float64](unsafe.Pointer(p.center), heads*params.KeyDim)
		params.HeadWeights = view[float64](unsafe.Pointer(p.head_weights), heads)
	}
	return params, nil
}

func readBudget(src *C.const_budget) (privacy.Budget, error) {
	var b C.dpattn_budget
	if err := readStruct(&b, unsafe.Pointer(src), "budget"); err != nil {
		return privacy.Budget{}, err
	}
	if b.reserved != 0 {
		return privacy.Budget{}, fault.Invalid("budget.reserved is %d; it must be 0", b.reserved)
	}
	return privacy.Budget{Epsilon: float64(b.epsilon), Delta: float64(b.delta)}, nil
}

// readProgress returns nil if the caller wants neither reports nor a way to cancel.
func readProgress(src *C.const_progress) (*core.Progress, error) {
	if src == nil {
		return nil, nil
	}
	p := new(C.dpattn_progress)
	if err := readStruct(p, unsafe.Pointer(src), "progress"); err != nil {
		return nil, err
	}
	if p.reserved != 0 {
		return nil, fault.Invalid("progress.reserved is %d; it must be 0", p.reserved)
	}
	if p.callback == nil && p.cancel == nil {
		return nil, nil
	}
	return &core.Progress{Report: func(done, total uint64) bool {
		return C.capi_wants_stop(p, C.uint64_t(done), C.uint64_t(total)) == 0
	}}, nil
}
