package main

// #include "internal.h"
import "C"

import (
	"sync"

	"dpattn/core"
)

// buildInfo is made once and never freed.
var buildInfo = sync.OnceValue(func() *C.const_char { return C.CString(string(core.BuildInfo())) })

//export go_dpattn_build_info
func go_dpattn_build_info() *C.const_char { return buildInfo() }

//export go_dpattn_set_threads
func go_dpattn_set_threads(threads C.int32_t, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	return finish(core.SetThreads(int(threads)), err)
}
