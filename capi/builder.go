package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

var builders = newTable[core.Builder](kindBuilder)

//export go_dpattn_builder_create
func go_dpattn_builder_create(params *C.const_params, builder *C.dpattn_builder,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	p, e := readParams(params)
	if e != nil {
		return finish(e, err)
	}
	if builder == nil {
		return finish(missing("builder", "the place for a handle"), err)
	}
	b, e := core.NewBuilder(p)
	if e != nil {
		return finish(e, err)
	}
	*builder = C.dpattn_builder(builders.put(b))
	return C.DPATTN_OK
}

//export go_dpattn_builder_add
func go_dpattn_builder_add(builder C.dpattn_builder, head C.int32_t, keys, values *C.const_tensor,
	owners *C.const_uint64, progress *C.const_progress, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	b, e := builders.get(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	var k, v tensor.Tensor
	if e := readTensor(&k, keys, "keys"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&v, values, "values"); e != nil {
		return finish(e, err)
	}
	ids, e := readOwners(owners, &k)
	if e != nil {
		return finish(e, err)
	}
	p, e := readProgress(progress)
	if e != nil {
		return finish(e, err)
	}
	return finish(b.Add(int(head), k, v, ids, p), err)
}

//export go_dpattn_builder_merge
func go_dpattn_builder_merge(into, from C.dpattn_builder, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	a, e := builders.get(uint64(into), "into")
	if e != nil {
		return finish(e, err)
	}
	b, e := builders.get(uint64(from), "from")
	if e != nil {
		return finish(e, err)
	}
	return finish(a.Merge(b), err)
}

//export go_dpattn_builder_export_secret
func go_dpattn_builder_export_secret(builder C.dpattn_builder, data unsafe.Pointer, capacity C.size_t,
	needed *C.size_t, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	b, e := builders.get(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	buffer, e := newBuffer[byte]("data", data, capacity, needed)
	if e != nil {
		return finish(e, err)
	}
	return finish(buffer.done(b.ExportSecret(buffer.elements)), err)
}

//export go_dpattn_builder_import_secret
func go_dpattn_builder_import_secret(data *C.const_void, size C.size_t, builder *C.dpattn_builder,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	bytes, e := input(unsafe.Pointer(data), size)
	if e != nil {
		return finish(e, err)
	}
	if builder == nil {
		return finish(missing("builder", "the place for a handle"), err)
	}
	b, e := core.ImportSecret(bytes)
	if e != nil {
		return finish(e, err)
	}
	*builder = C.dpattn_builder(builders.put(b))
	return C.DPATTN_OK
}

//export go_dpattn_builder_info
func go_dpattn_builder_info(builder C.dpattn_builder, info *C.dpattn_info, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	b, e := builders.get(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	if e := checkOutputStruct[C.dpattn_info](unsafe.Pointer(info), "info"); e != nil {
		return finish(e, err)
	}
	writeInfo(info, b.Info())
	return C.DPATTN_OK
}

//export go_dpattn_builder_diagnostics
func go_dpattn_builder_diagnostics(builder C.dpattn_builder, diagnostics *C.dpattn_diagnostics,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	b, e := builders.get(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	if e := checkOutputStruct[C.dpattn_diagnostics](unsafe.Pointer(diagnostics), "diagnostics"); e != nil {
		return finish(e, err)
	}
	d, e := b.Diagnostics()
	if e != nil {
		return finish(e, err)
	}
	writeDiagnostics(diagnostics, d)
	return C.DPATTN_OK
}

// writeDiagnostics fills in a caller's struct, which was checked.
func writeDiagnostics(diagnostics *C.dpattn_diagnostics, d core.Diagnostics) {
	writeStruct(unsafe.Pointer(diagnostics), &C.dpattn_diagnostics{
		rows:           C.uint64_t(d.Rows),
		keys_clipped:   C.uint64_t(d.KeysClipped),
		values_clipped: C.uint64_t(d.ValuesClipped),
		rows_zeroed:    C.uint64_t(d.RowsZeroed),
		rows_shrunk:    C.uint64_t(d.RowsShrunk),
		rows_dropped:   C.uint64_t(d.RowsDropped),
		owners:         C.uint64_t(d.Owners),
		owners_clipped: C.uint64_t(d.OwnersClipped),
	})
}

//export go_dpattn_builder_release
func go_dpattn_builder_release(builder C.dpattn_builder, budget *C.const_budget, progress *C.const_progress,
	release *C.dpattn_release, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	return makeRelease(builder, budget, progress, release, err, (*core.Builder).Release)
}

// makeRelease reads what every way of making a release is given, and keeps the release it makes.
func makeRelease(builder C.dpattn_builder, budget *C.const_budget, progress *C.const_progress,
	release *C.dpattn_release, err *C.dpattn_error,
	way func(*core.Builder, privacy.Budget, *core.Progress) (*core.Release, error)) C.int32_t {
	b, e := builders.get(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	cost, e := readBudget(budget)
	if e != nil {
		return finish(e, err)
	}
	p, e := readProgress(progress)
	if e != nil {
		return finish(e, err)
	}
	if release == nil {
		return finish(missing("release", "the place for a handle"), err)
	}
	r, e := way(b, cost, p)
	if e != nil {
		return finish(e, err)
	}
	*release = C.dpattn_release(releases.put(r))
	return C.DPATTN_OK
}

//export go_dpattn_builder_free
func go_dpattn_builder_free(builder C.dpattn_builder, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	b, e := builders.remove(uint64(builder), "builder")
	if e != nil {
		return finish(e, err)
	}
	b.Wipe()
	return C.DPATTN_OK
}
