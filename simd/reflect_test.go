package simd_test

import (
	"reflect"

	"dpattn/simd"
)

// onlyZeros reports whether every number that the row reaches is 0.
func onlyZeros(r *simd.Row) bool { return zeroValue(reflect.ValueOf(r).Elem()) }

func zeroValue(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !zeroValue(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		// Beyond its length too: what was there once may still be.
		v = v.Slice(0, v.Cap())
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			if !zeroValue(v.Index(i)) {
				return false
			}
		}
	case reflect.Pointer:
		return v.IsNil() || zeroValue(v.Elem())
	default:
		return v.IsZero()
	}
	return true
}
