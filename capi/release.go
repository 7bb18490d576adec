package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core"
	"dpattn/core/tensor"
)

var releases = newTable[core.Release](kindRelease)

//export go_dpattn_release_attend
func go_dpattn_release_attend(release C.dpattn_release, queries, out, lse, stddev *C.const_tensor, clipped *C.uint64_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	return attend(release, core.AllHeads, queries, out, lse, stddev, clipped, err)
}

//export go_dpattn_release_attend_head
func go_dpattn_release_attend_head(release C.dpattn_release, head C.int32_t, queries, out, lse, stddev *C.const_tensor,
	clipped *C.uint64_t, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	return attend(release, int(head), queries, out, lse, stddev, clipped, err)
}

// attend answers for one head, or for all as one tensor.
func attend(release C.dpattn_release, head int, queries, out, lse, stddev *C.const_tensor, clipped *C.uint64_t,
	err *C.dpattn_error) C.int32_t {
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	var q, o tensor.Tensor
	if e := readTensor(&q, queries, "queries"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&o, out, "out"); e != nil {
		return finish(e, err)
	}
	l, e := readOptionalTensor(lse, "lse")
	if e != nil {
		return finish(e, err)
	}
	s, e := readOptionalTensor(stddev, "stddev")
	if e != nil {
		return finish(e, err)
	}
	var n uint64
	if head == core.AllHeads {
		n, e = r.Attend(q, o, l, s)
	} else {
		n, e = r.AttendHead(head, q, o, l, s)
	}
	if e != nil {
		return finish(e, err)
	}
	if clipped != nil {
		*clipped = C.uint64_t(n)
	}
	return C.DPATTN_OK
}

//export go_dpattn_release_info
func go_dpattn_release_info(release C.dpattn_release, info *C.dpattn_info, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	if e := checkOutputStruct[C.dpattn_info](unsafe.Pointer(info), "info"); e != nil {
		return finish(e, err)
	}
	writeInfo(info, r.Info())
	return C.DPATTN_OK
}

// writeInfo fills in a caller's struct, which was checked.
func writeInfo(info *C.dpattn_info, i core.Info) {
	facts := C.dpattn_info{
		heads:            C.uint32_t(i.Heads),
		key_dim:          C.uint32_t(i.KeyDim),
		value_dim:        C.uint32_t(i.ValueDim),
		mechanism:        C.int32_t(i.Mechanism.Kind().Number),
		adjacency:        C.int32_t(i.Adjacency),
		owner_rows:       C.uint32_t(i.OwnerRows),
		scale:            C.double(i.Scale),
		logit_bound:      C.double(i.LogitBound),
		polynomial_error: C.double(i.PolynomialError),
		epsilon:          C.double(i.Budget.Epsilon),
		delta:            C.double(i.Budget.Delta),
		mu:               C.double(i.Mu),
		features:         C.uint64_t(i.Features),
		state_bytes:      C.uint64_t(i.StateBytes),
		save_bytes:       C.uint64_t(i.SaveBytes),
	}
	setFields(&facts, i.Mechanism.Fields())
	for n, b := range i.ID {
		facts.id[n] = C.uint8_t(b)
	}
	writeStruct(unsafe.Pointer(info), &facts)
}

//export go_dpattn_release_certificate
func go_dpattn_release_certificate(release C.dpattn_release, json *C.char, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	buffer, e := newBuffer[byte]("json", unsafe.Pointer(json), capacity, needed)
	if e != nil {
		return finish(e, err)
	}
	return finish(buffer.fill(append(r.Certificate(), 0)), err)
}

//export go_dpattn_release_state
func go_dpattn_release_state(release C.dpattn_release, state *C.int64_t, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	buffer, e := newBuffer[int64]("state", unsafe.Pointer(state), capacity, needed)
	if e != nil {
		return finish(e, err)
	}
	return finish(buffer.fill(r.State()), err)
}

//export go_dpattn_release_kv
func go_dpattn_release_kv(release C.dpattn_release, keys, values, bias *C.const_tensor,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	var k, v, b tensor.Tensor
	if e := readTensor(&k, keys, "keys"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&v, values, "values"); e != nil {
		return finish(e, err)
	}
	if e := readTensor(&b, bias, "bias"); e != nil {
		return finish(e, err)
	}
	return finish(r.KV(k, v, b), err)
}

//export go_dpattn_release_save
func go_dpattn_release_save(release C.dpattn_release, data unsafe.Pointer, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	buffer, e := newBuffer[byte]("data", data, capacity, needed)
	if e != nil {
		return finish(e, err)
	}
	return finish(buffer.done(r.Save(buffer.elements)), err)
}

//export go_dpattn_release_load
func go_dpattn_release_load(data *C.const_void, size C.size_t, release *C.dpattn_release,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	bytes, e := input(unsafe.Pointer(data), size)
	if e != nil {
		return finish(e, err)
	}
	if release == nil {
		return finish(missing("release", "the place for a handle"), err)
	}
	r, e := core.Load(bytes)
	if e != nil {
		return finish(e, err)
	}
	*release = C.dpattn_release(releases.put(r))
	return C.DPATTN_OK
}

//export go_dpattn_release_retain
func go_dpattn_release_retain(release C.dpattn_release, copy *C.dpattn_release,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	r, e := releases.get(uint64(release), "release")
	if e != nil {
		return finish(e, err)
	}
	if copy == nil {
		return finish(missing("copy", "the place for a handle"), err)
	}
	*copy = C.dpattn_release(releases.put(r))
	return C.DPATTN_OK
}

//export go_dpattn_release_free
func go_dpattn_release_free(release C.dpattn_release, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	_, e := releases.remove(uint64(release), "release")
	return finish(e, err)
}
