package main

// #include "internal.h"
import "C"

import (
	"encoding/json"
	"math"
	"unsafe"

	"dpattn/core"
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

var (
	trees     = newTable[dptree.Tree](kindTree)
	distances = newTable[dptree.HighDim](kindDistance)
)

// structure is what a tree and a distance have in common.
type structure interface {
	Params() dptree.Params
	Certificate() dptree.Certificate
	Bytes() uint64
	Encode() []byte
	EncodedLen() int
}

// readStructureParams copies a caller's params; which of a tree and a distance they are for says
// what must be zero.
func readStructureParams(src *C.const_structure_params, forTree bool) (dptree.Params, error) {
	var p C.dpattn_structure_params
	if err := readStruct(&p, unsafe.Pointer(src), "params"); err != nil {
		return dptree.Params{}, err
	}
	out := dptree.Params{
		Adjacency: privacy.Adjacency(p.adjacency), OwnerRows: int(p.owner_rows), Leaves: int(p.leaves),
		Weight: float64(p.weight), Dim: int(p.dim), Range: float64(p._range), Squared: p.squared != 0,
	}
	switch {
	case out.Leaves == 0:
		return out, fault.Invalid("params.leaves is 0; it is required and must be at least 1")
	case forTree && (p.dim != 0 || p._range != 0 || p.squared != 0):
		return out, fault.Invalid("params: dim is %d, range %v and squared %d; for a tree all three must be 0", p.dim,
			out.Range, p.squared)
	case !forTree && out.Dim == 0:
		out.Dim = 1
	}
	return out, nil
}

// making is what both constructors read besides params and rows.
type making struct {
	budget      privacy.Budget
	report      dptree.Report
	diagnostics *C.dpattn_diagnostics
}

func readMaking(budget *C.const_budget, progress *C.const_progress,
	diagnostics *C.dpattn_diagnostics) (m making, err error) {
	if m.budget, err = readBudget(budget); err != nil {
		return m, err
	}
	p, err := readProgress(progress)
	if err != nil {
		return m, err
	}
	if p != nil {
		m.report = p.Report
	}
	if diagnostics != nil {
		if err := checkOutputStruct[C.dpattn_diagnostics](unsafe.Pointer(diagnostics), "diagnostics"); err != nil {
			return m, err
		}
	}
	m.diagnostics = diagnostics
	return m, nil
}

// tell fills in the caller's diagnostics, if there are any.
func (m *making) tell(d dptree.Diagnostics) {
	if m.diagnostics != nil {
		writeDiagnostics(m.diagnostics, core.Diagnostics{
			Rows: d.Rows, KeysClipped: d.PointsClipped, ValuesClipped: d.WeightsClipped, RowsZeroed: d.RowsZeroed,
			RowsDropped: d.RowsDropped,
		})
	}
}

//export go_dpattn_tree_create
func go_dpattn_tree_create(params *C.const_structure_params, values *C.const_double, positions *C.const_int64,
	owners *C.const_uint64, rows C.uint64_t, budget *C.const_budget, progress *C.const_progress,
	diagnostics *C.dpattn_diagnostics, tree *C.dpattn_tree, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	p, e := readStructureParams(params, true)
	if e != nil {
		return finish(e, err)
	}
	if rows > dptree.MaxRows {
		return finish(fault.New(fault.Limit, "rows is %d; one structure takes at most %d", rows, dptree.MaxRows), err)
	}
	if values == nil && rows > 0 {
		return finish(missing("values", "the values"), err)
	}
	m, e := readMaking(budget, progress, diagnostics)
	if e != nil {
		return finish(e, err)
	}
	if tree == nil {
		return finish(missing("tree", "the place for a handle"), err)
	}
	n := int(rows)
	t, counts, e := dptree.NewTree(p, view[int](unsafe.Pointer(positions), n), view[float64](unsafe.Pointer(values), n),
		view[uint64](unsafe.Pointer(owners), n), m.budget, m.report)
	if e != nil {
		return finish(e, err)
	}
	m.tell(counts)
	*tree = C.dpattn_tree(trees.put(t))
	return C.DPATTN_OK
}

// Positions are read as Go's int.
const _ = uint(math.MaxInt - math.MaxInt64)

//export go_dpattn_tree_query
func go_dpattn_tree_query(tree C.dpattn_tree, first, last *C.const_int64, ranges C.uint64_t, sums, stddev *C.double,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	t, e := trees.get(uint64(tree), "tree")
	if e != nil {
		return finish(e, err)
	}
	if ranges == 0 {
		return C.DPATTN_OK
	}
	if ranges > math.MaxInt64/8 {
		return finish(fault.Invalid("ranges is %d; it must be the number of ranges", ranges), err)
	}
	for _, a := range []struct {
		name string
		p    unsafe.Pointer
	}{{"first", unsafe.Pointer(first)}, {"last", unsafe.Pointer(last)}, {"sums", unsafe.Pointer(sums)}} {
		if a.p == nil {
			return finish(missing(a.name, "one number for each range"), err)
		}
	}
	n := int(ranges)
	lo, hi := view[int](unsafe.Pointer(first), n), view[int](unsafe.Pointer(last), n)
	for i := range lo { // all of them, before any output is written
		if e := t.CheckRange(lo[i], hi[i]); e != nil {
			return finish(e, err)
		}
	}
	out, std := view[float64](unsafe.Pointer(sums), n), view[float64](unsafe.Pointer(stddev), n)
	for i := range lo {
		sum, spread, _ := t.Query(lo[i], hi[i])
		out[i] = sum
		if std != nil {
			std[i] = spread
		}
	}
	return C.DPATTN_OK
}

//export go_dpattn_distance_create
func go_dpattn_distance_create(params *C.const_structure_params, points, weights *C.const_tensor,
	owners *C.const_uint64, budget *C.const_budget, progress *C.const_progress, diagnostics *C.dpattn_diagnostics,
	distance *C.dpattn_distance, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	p, e := readStructureParams(params, false)
	if e != nil {
		return finish(e, err)
	}
	var x tensor.Tensor
	if e := readTensor(&x, points, "points"); e != nil {
		return finish(e, err)
	}
	w, e := readOptionalTensor(weights, "weights")
	if e != nil {
		return finish(e, err)
	}
	ids, e := readOwners(owners, &x)
	if e != nil {
		return finish(e, err)
	}
	m, e := readMaking(budget, progress, diagnostics)
	if e != nil {
		return finish(e, err)
	}
	if distance == nil {
		return finish(missing("distance", "the place for a handle"), err)
	}
	d, counts, e := dptree.NewHighDim(p, x, w, ids, m.budget, m.report)
	if e != nil {
		return finish(e, err)
	}
	m.tell(counts)
	*distance = C.dpattn_distance(distances.put(d))
	return C.DPATTN_OK
}

//export go_dpattn_distance_query
func go_dpattn_distance_query(distance C.dpattn_distance, queries, l1, l2 *C.const_tensor,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	d, e := distances.get(uint64(distance), "distance")
	if e != nil {
		return finish(e, err)
	}
	p := d.Params()
	if l2 != nil && !p.Squared {
		e := fault.New(fault.Unsupported, "l2 is wanted, but the structure was made without params.squared")
		return finish(e, err)
	}
	var q tensor.Tensor
	if e := readTensor(&q, queries, "queries"); e != nil {
		return finish(e, err)
	}
	if e := q.Check("queries"); e != nil {
		return finish(e, err)
	}
	if q.NDim != 2 || q.Shape[1] != p.Dim {
		e := fault.Invalid("queries.shape is %v; it must be [m, dim] with dim = %d", q.Shape[:q.NDim], p.Dim)
		return finish(e, err)
	}
	var outs [2]*tensor.Tensor
	for i, a := range []struct {
		name string
		t    *C.const_tensor
	}{{"l1", l1}, {"l2", l2}} {
		if outs[i], e = readOptionalTensor(a.t, a.name); e != nil {
			return finish(e, err)
		}
		if o := outs[i]; o != nil {
			if e := o.CheckOutput(a.name); e != nil {
				return finish(e, err)
			}
			if o.NDim != 2 || o.Shape[0] != q.Shape[0] || o.Shape[1] != 1 {
				e := fault.Invalid("%s.shape is %v; it must be [%d, 1], one number for each query", a.name,
					o.Shape[:o.NDim], q.Shape[0])
				return finish(e, err)
			}
		}
	}
	y := make([]float64, p.Dim)
	var v [2]float64
	for i := range q.Shape[0] {
		q.LoadRow(i, y)
		switch {
		case outs[0] == nil:
			v[1], e = d.L2(y)
		case outs[1] == nil:
			v[0], e = d.L1(y)
		default:
			v[0], v[1], e = d.Both(y)
		}
		if e != nil {
			return finish(e, err)
		}
		for k, o := range outs {
			if o != nil {
				o.StoreRow(i, v[k:k+1])
			}
		}
	}
	return C.DPATTN_OK
}

func writeStructureInfo(info *C.dpattn_structure_info, s structure) error {
	if err := checkOutputStruct[C.dpattn_structure_info](unsafe.Pointer(info), "info"); err != nil {
		return err
	}
	p, c := s.Params(), s.Certificate()
	facts := C.dpattn_structure_info{
		adjacency:   C.int32_t(p.Adjacency),
		owner_rows:  C.uint32_t(p.OwnerRows),
		leaves:      C.uint32_t(p.Leaves),
		dim:         C.uint32_t(p.Dim),
		_range:      C.double(p.Range),
		weight:      C.double(p.Weight),
		epsilon:     C.double(c.Epsilon),
		delta:       C.double(c.Delta),
		epsilon0:    C.double(c.Epsilon0),
		delta0:      C.double(c.Delta0),
		mechanisms:  C.uint64_t(c.Mechanisms),
		state_bytes: C.uint64_t(s.Bytes()),
		save_bytes:  C.uint64_t(s.EncodedLen()),
	}
	if p.Squared {
		facts.squared = 1
	}
	writeStruct(unsafe.Pointer(info), &facts)
	return nil
}

func writeStructureCertificate(s structure, text *C.char, capacity C.size_t, needed *C.size_t) error {
	buffer, err := newBuffer[byte]("json", unsafe.Pointer(text), capacity, needed)
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(s.Certificate(), "", "  ")
	if err != nil {
		return err
	}
	return buffer.fill(append(out, 0))
}

func writeStructure(s structure, data unsafe.Pointer, capacity C.size_t, needed *C.size_t) error {
	buffer, err := newBuffer[byte]("data", data, capacity, needed)
	if err != nil {
		return err
	}
	if size := s.EncodedLen(); len(buffer.elements) < size {
		return buffer.done(size, tooSmall(len(buffer.elements), size))
	}
	return buffer.fill(s.Encode())
}

//export go_dpattn_tree_info
func go_dpattn_tree_info(tree C.dpattn_tree, info *C.dpattn_structure_info, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	t, e := trees.get(uint64(tree), "tree")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructureInfo(info, t), err)
}

//export go_dpattn_distance_info
func go_dpattn_distance_info(distance C.dpattn_distance, info *C.dpattn_structure_info,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	d, e := distances.get(uint64(distance), "distance")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructureInfo(info, d), err)
}

//export go_dpattn_tree_certificate
func go_dpattn_tree_certificate(tree C.dpattn_tree, json *C.char, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	t, e := trees.get(uint64(tree), "tree")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructureCertificate(t, json, capacity, needed), err)
}

//export go_dpattn_distance_certificate
func go_dpattn_distance_certificate(distance C.dpattn_distance, json *C.char, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	d, e := distances.get(uint64(distance), "distance")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructureCertificate(d, json, capacity, needed), err)
}

//export go_dpattn_tree_save
func go_dpattn_tree_save(tree C.dpattn_tree, data unsafe.Pointer, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	t, e := trees.get(uint64(tree), "tree")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructure(t, data, capacity, needed), err)
}

//export go_dpattn_distance_save
func go_dpattn_distance_save(distance C.dpattn_distance, data unsafe.Pointer, capacity C.size_t, needed *C.size_t,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	d, e := distances.get(uint64(distance), "distance")
	if e != nil {
		return finish(e, err)
	}
	return finish(writeStructure(d, data, capacity, needed), err)
}

//export go_dpattn_tree_load
func go_dpattn_tree_load(data *C.const_void, size C.size_t, tree *C.dpattn_tree,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	bytes, e := input(unsafe.Pointer(data), size)
	if e != nil {
		return finish(e, err)
	}
	if tree == nil {
		return finish(missing("tree", "the place for a handle"), err)
	}
	t, e := dptree.DecodeTree(bytes)
	if e != nil {
		return finish(e, err)
	}
	*tree = C.dpattn_tree(trees.put(t))
	return C.DPATTN_OK
}

//export go_dpattn_distance_load
func go_dpattn_distance_load(data *C.const_void, size C.size_t, distance *C.dpattn_distance,
	err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	bytes, e := input(unsafe.Pointer(data), size)
	if e != nil {
		return finish(e, err)
	}
	if distance == nil {
		return finish(missing("distance", "the place for a handle"), err)
	}
	d, e := dptree.DecodeHighDim(bytes)
	if e != nil {
		return finish(e, err)
	}
	*distance = C.dpattn_distance(distances.put(d))
	return C.DPATTN_OK
}

//export go_dpattn_tree_free
func go_dpattn_tree_free(tree C.dpattn_tree, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	_, e := trees.remove(uint64(tree), "tree")
	return finish(e, err)
}

//export go_dpattn_distance_free
func go_dpattn_distance_free(distance C.dpattn_distance, err *C.dpattn_error) (status C.int32_t) {
	defer guard(&status, err)
	_, e := distances.remove(uint64(distance), "distance")
	return finish(e, err)
}
