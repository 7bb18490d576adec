package main

// #include "internal.h"
import "C"

import (
	"reflect"
	"strings"
	"unsafe"

	"dpattn/core"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// maxNumbers is how many numbers any array of a caller can have.
const maxNumbers = 1 << 40

// sharedFields are the fields of dpattn_params that are no mechanism's own, or no parameters.
var sharedFields = map[string]bool{
	"struct_size": true, "heads": true, "key_dim": true, "value_dim": true, "mechanism": true,
	"adjacency": true, "owner_rows": true, "reserved": true, "reserved_2": true,
}

// readParams copies a caller's params. Slices view the caller's memory; core copies what it keeps.
func readParams(src *C.const_params) (core.Params, error) {
	var p C.dpattn_params
	if err := readStruct(&p, unsafe.Pointer(src), "params"); err != nil {
		return core.Params{}, err
	}
	if p.reserved != 0 {
		return core.Params{}, fault.Invalid("params.reserved is %d; it must be 0", p.reserved)
	}
	if p.reserved_2 != 0 {
		return core.Params{}, fault.Invalid("params.reserved_2 is %d; it must be 0", p.reserved_2)
	}
	shared := core.Params{
		Heads: int(p.heads), KeyDim: int(p.key_dim), ValueDim: int(p.value_dim),
		Adjacency: core.Adjacency(p.adjacency), OwnerRows: int(p.owner_rows),
	}
	// How far pointers reach depends on these two; core checks them with everything else.
	reach := 0
	if p.heads <= mechanism.MaxDim && p.key_dim <= mechanism.MaxDim {
		reach = 1
	}
	heads := reach * max(shared.Heads, 1)
	lengths := map[string]int{"center": heads * shared.KeyDim, "head_weights": heads}
	if cells := int(p.cells); cells <= maxNumbers/max(heads*shared.KeyDim, 1) {
		lengths["codebook"] = heads * cells * shared.KeyDim
	}
	return core.ReadParams(shared, int32(p.mechanism), paramFields(&p, lengths))
}

// paramFields lists the mechanisms' own parameters by their names in C. Arrays have the lengths.
func paramFields(p *C.dpattn_params, lengths map[string]int) (fields []mechanism.Field) {
	for v, i := reflect.ValueOf(p).Elem(), 0; i < v.NumField(); i++ {
		name := cName(v.Type().Field(i).Name)
		if sharedFields[name] {
			continue
		}
		var value any
		switch field := v.Field(i); field.Kind() {
		case reflect.Int32:
			value = field.Int()
		case reflect.Uint32, reflect.Uint64:
			value = field.Uint()
		case reflect.Float64:
			value = field.Float()
		case reflect.Pointer:
			value = view[float64](field.UnsafePointer(), lengths[name])
		default:
			panic("a field of dpattn_params that is no number and no array")
		}
		fields = append(fields, mechanism.Field{Name: name, Value: value})
	}
	return fields
}

// cName is the name in C of a field, which cgo gives a _ where it is a word of Go.
func cName(name string) string { return strings.TrimPrefix(name, "_") }

// setFields writes facts to the fields of a C struct that have their names.
func setFields[T any](dst *T, facts []mechanism.Field) {
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		for _, fact := range facts {
			if cName(t.Field(i).Name) != fact.Name {
				continue
			}
			at := reflect.NewAt(t.Field(i).Type, unsafe.Add(unsafe.Pointer(dst), t.Field(i).Offset)).Elem()
			switch v := reflect.ValueOf(fact.Value); {
			case at.CanInt():
				at.SetInt(v.Int())
			case at.CanUint() && v.CanInt():
				at.SetUint(uint64(v.Int()))
			case at.CanUint():
				at.SetUint(v.Uint())
			default:
				at.SetFloat(v.Float())
			}
		}
	}
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
