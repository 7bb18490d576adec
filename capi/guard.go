package main

// #cgo CFLAGS: -I${SRCDIR}/../include -DDPATTN_BUILD -std=gnu11 -Wall -Wextra -Werror
// #include "internal.h"
import "C"

import (
	"errors"
	"unsafe"

	"dpattn/core/fault"
)

// errPanic stands for every panic: what one says may hold private values, and none of it leaves.
var errPanic = fault.New(fault.Internal,
	"internal error: the library stopped at a bug in itself; please report what was called")

// guard is deferred by every export: no panic crosses into C.
func guard(status *C.int32_t, err *C.dpattn_error) {
	if recover() != nil {
		*status = finish(errPanic, err)
	}
}

// finish turns the outcome of a call into its status and fills the caller's error struct. (On
// success that was done already in abi.c.)
func finish(e error, err *C.dpattn_error) C.int32_t {
	if e == nil {
		return C.DPATTN_OK
	}
	var f *fault.Error
	if !errors.As(e, &f) {
		f = errPanic.(*fault.Error)
	}
	C.capi_set_error(err, C.int32_t(f.Code), (*C.char)(unsafe.Pointer(unsafe.StringData(f.Message))),
		C.size_t(len(f.Message)))
	return C.int32_t(f.Code)
}
