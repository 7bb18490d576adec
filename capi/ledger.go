package main

// #include "internal.h"
import "C"

import (
	"unsafe"

	"dpattn/core"
	"dpattn/core/fault"
	"dpattn/core/ledger"
	"dpattn/core/privacy"
)

var ledgers = newTable[ledger.Ledger](kindLedger)

//export go_dpattn_ledger_create
func go_dpattn_ledger_create(path *C.const_char, allowance *C.const_allowance, book *C.dpattn_ledger,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	a, e := readAllowance(allowance)
	if e != nil {
		return finish(e, err)
	}
	return putLedger(path, book, err, func(path string) (*ledger.Ledger, error) { return ledger.Create(path, a) })
}

//export go_dpattn_ledger_open
func go_dpattn_ledger_open(path *C.const_char, book *C.dpattn_ledger, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	return putLedger(path, book, err, ledger.Open)
}

func putLedger(path *C.const_char, book *C.dpattn_ledger, err *C.dpattn_error,
	open func(string) (*ledger.Ledger, error)) C.int32_t {
	if path == nil {
		return finish(missing("path", "the name of a file"), err)
	}
	if book == nil {
		return finish(missing("ledger", "the place for a handle"), err)
	}
	l, e := open(C.GoString((*C.char)(path)))
	if e != nil {
		return finish(e, err)
	}
	*book = C.dpattn_ledger(ledgers.put(l))
	return C.DPATTN_OK
}

//export go_dpattn_ledger_release
func go_dpattn_ledger_release(book C.dpattn_ledger, label *C.const_char, builder C.dpattn_builder,
	budget *C.const_budget, progress *C.const_progress, release *C.dpattn_release,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	l, e := ledgers.get(uint64(book), "ledger")
	if e != nil {
		return finish(e, err)
	}
	way := func(b *core.Builder, cost privacy.Budget, p *core.Progress) (*core.Release, error) {
		return b.ReleaseTo(l, C.GoString((*C.char)(label)), cost, p) // NULL is ""
	}
	return makeRelease(builder, budget, progress, release, err, way)
}

//export go_dpattn_ledger_load
func go_dpattn_ledger_load(book C.dpattn_ledger, label *C.const_char, release *C.dpattn_release,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	l, e := ledgers.get(uint64(book), "ledger")
	if e != nil {
		return finish(e, err)
	}
	if label == nil {
		return finish(missing("label", "the label of a release"), err)
	}
	if release == nil {
		return finish(missing("release", "the place for a handle"), err)
	}
	r, e := core.LoadFrom(l, C.GoString((*C.char)(label)))
	if e != nil {
		return finish(e, err)
	}
	*release = C.dpattn_release(releases.put(r))
	return C.DPATTN_OK
}

//export go_dpattn_ledger_show
func go_dpattn_ledger_show(book C.dpattn_ledger, json *C.char, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	l, e := ledgers.get(uint64(book), "ledger")
	if e != nil {
		return finish(e, err)
	}
	buffer, e := newBuffer[byte]("json", unsafe.Pointer(json), capacity, needed)
	if e != nil {
		return finish(e, err)
	}
	b, e := l.Book()
	if e != nil {
		return finish(e, err)
	}
	return finish(buffer.fill(append(b.JSON(), 0)), err)
}

//export go_dpattn_ledger_close
func go_dpattn_ledger_close(book C.dpattn_ledger, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	_, e := ledgers.remove(uint64(book), "ledger")
	return finish(e, err)
}

func readAllowance(src *C.const_allowance) (privacy.Allowance, error) {
	var a C.dpattn_allowance
	if err := readStruct(&a, unsafe.Pointer(src), "allowance"); err != nil {
		return privacy.Allowance{}, err
	}
	if a.reserved != 0 {
		return privacy.Allowance{}, fault.Invalid("allowance.reserved is %d; it must be 0", a.reserved)
	}
	if a.mu == 0 {
		return privacy.NewAllowance(privacy.Budget{Epsilon: float64(a.epsilon), Delta: float64(a.delta)},
			privacy.Budget{Epsilon: float64(a.other_epsilon), Delta: float64(a.other_delta)})
	}
	if a.epsilon != 0 || a.delta != 0 || a.other_epsilon != 0 || a.other_delta != 0 {
		return privacy.Allowance{}, fault.Invalid(
			"allowance.mu is %v; then epsilon, delta, other_epsilon and other_delta must be 0", float64(a.mu))
	}
	return privacy.MuAllowance(float64(a.mu))
}
