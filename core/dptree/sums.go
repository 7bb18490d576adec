package dptree

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/parallel"
	"dpattn/core/tensor"
	"dpattn/simd"
)

// Diagnostics counts what became of the rows. SECRET: exact functions of the private data.
type Diagnostics struct {
	Rows           uint64 // rows given
	PointsClipped  uint64 // rows with an entry of the key or point outside [0, R]
	WeightsClipped uint64 // rows with an entry of the value, or a weight, outside [-R_w, R_w]
	RowsZeroed     uint64 // rows with NaN or Inf: they contribute nothing
	RowsDropped    uint64 // rows beyond OwnerRows of their owner
}

func (t *Diagnostics) add(o Diagnostics) {
	t.Rows += o.Rows
	t.PointsClipped += o.PointsClipped
	t.WeightsClipped += o.WeightsClipped
	t.RowsZeroed += o.RowsZeroed
	t.RowsDropped += o.RowsDropped
}

// Outcome is what became of one row.
type Outcome uint8

// Outcomes, which may be combined.
const (
	PointClipped Outcome = 1 << iota
	WeightClipped
	Zeroed // it has a NaN or an Inf
)

func (t *Diagnostics) count(f Outcome) {
	t.Rows++
	if f&Zeroed != 0 {
		t.RowsZeroed++
		return
	}
	if f&PointClipped != 0 {
		t.PointsClipped++
	}
	if f&WeightClipped != 0 {
		t.WeightsClipped++
	}
}

// quantise rounds a row to integers, a deterministic function of that row alone; everything after
// it is exact:
//
//	dst[:Dim]  entries of the key or point, 0..keyScale for 0..R
//	dst[Dim:]  [columns] weights, -weightOne..weightOne for -R_w..R_w; the normaliser's is weightOne
//
// A row with NaN or Inf becomes zero in all of dst, its weight in the normaliser included.
func (d *design) quantise(point, weight []float64, dst []int16) (f Outcome) {
	for _, list := range [2][]float64{point, weight} {
		for _, v := range list {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				clear(dst)
				return Zeroed
			}
		}
	}
	for i, v := range point {
		c, out := clip(v, 0, d.Range)
		if out {
			f |= PointClipped
		}
		dst[i] = int16(math.RoundToEven(c / d.Range * keyScale))
	}
	for i, v := range weight {
		c, out := clip(v, -d.Weight, d.Weight)
		if out {
			f |= WeightClipped
		}
		dst[d.Dim+i] = int16(math.RoundToEven(c / d.Weight * weightOne))
	}
	if d.kind == kindAttention {
		dst[d.Dim+len(weight)] = weightOne
	}
	return f
}

// sums are the exact sums of a structure. SECRET. Trees of w x and w x^2, and all nodes above the
// leaves, follow from the sums of w in every leaf, and all copies share them.
type sums struct {
	d     *design
	rows  uint64
	leaf  []int64 // [coords, leaves, columns] sum of w over a leaf's rows; without trees [coords, 1, columns], of w x
	whole []int64 // [columns, 2] sum of w |P|^2, and of w; nil where there are no scalars
	batch *batch  // working memory, made on first use
}

// batch is working memory for some rows. SECRET.
type batch struct {
	rows   []int16  // [batchRows, dim+columns]
	leaves []int32  // [coords, batchRows] the leaf of each row, or x where there are no trees
	norm   []int64  // [batchRows] |P|^2 in units of top/pointOne
	mono   []uint32 // [workers, coords]
}

// Rows of a batch, and how many rows or coordinates one goroutine takes at a time.
const (
	batchRows  = 256
	rowPiece   = 16
	coordPiece = 16
)

// secretBytes is the size of sums.
func (d *design) secretBytes() uint64 {
	return 8 * (product(d.coords, d.Leaves, d.columns) + 2*uint64(d.columns))
}

func (d *design) newSums() (*sums, error) {
	if err := memory.Fits("params: the exact sums of "+d.kind.String(), d.secretBytes()); err != nil {
		return nil, err
	}
	s := &sums{d: d, leaf: make([]int64, d.coords*d.Leaves*d.columns)}
	if d.basis != nil && !d.NoTrees {
		s.whole = make([]int64, 2*d.columns)
	}
	return s, nil
}

// wipe zeroes everything.
func (s *sums) wipe() {
	clear(s.leaf)
	clear(s.whole)
	s.batch.wipe()
	s.rows, s.batch = 0, nil
}

func (b *batch) wipe() {
	if b != nil {
		clear(b.rows)
		clear(b.leaves)
		clear(b.norm)
		clear(b.mono)
	}
}

// add adds what another holds.
func (s *sums) add(o *sums) {
	for i, v := range o.leaf {
		s.leaf[i] += v
	}
	for i, v := range o.whole {
		s.whole[i] += v
	}
	s.rows += o.rows
}

// room reports whether n more rows may come.
func (s *sums) room(name string, n int) error {
	if s.rows+uint64(n) > MaxRows {
		// How many there were is private.
		return fault.New(fault.Limit, "%s: with it the structure would have more than the %d rows that it takes", name,
			MaxRows)
	}
	return nil
}

// addRows adds n rows that load puts into the integers of a row, on so many threads and in any
// order; load reports what became of the row.
func (s *sums) addRows(threads, n int, load func(worker, i int, dst []int16) Outcome) (counts Diagnostics) {
	d := s.d
	width := d.Dim + d.columns
	if s.batch == nil || len(s.batch.mono) < threads*d.coords {
		s.batch.wipe()
		s.batch = &batch{
			rows: make([]int16, batchRows*width), leaves: make([]int32, batchRows*d.coords),
			norm: make([]int64, batchRows),
			mono: make([]uint32, threads*d.coords),
		}
	}
	b := s.batch
	outcomes := make([]Outcome, batchRows)
	defer clear(outcomes)
	for lo := 0; lo < n; lo += batchRows {
		count := min(batchRows, n-lo)
		parallel.DoN(threads, (count+rowPiece-1)/rowPiece, func(worker, task int) {
			simd.Plain(func() {
				mono := b.mono[worker*d.coords : (worker+1)*d.coords]
				for i := task * rowPiece; i < min((task+1)*rowPiece, count); i++ {
					r := b.rows[i*width : (i+1)*width]
					outcomes[i] = load(worker, lo+i, r)
					s.locate(b, i, r[:d.Dim], mono)
				}
			})
		})
		parallel.DoN(threads, (d.coords+coordPiece-1)/coordPiece, func(_, task int) {
			for c := task * coordPiece; c < min((task+1)*coordPiece, d.coords); c++ {
				s.accumulate(b, c, count)
			}
		})
		if s.whole != nil {
			for i := range count {
				for c, w := range b.rows[i*width+d.Dim : (i+1)*width] {
					s.whole[2*c] += int64(w) * b.norm[i]
					s.whole[2*c+1] += int64(w)
				}
			}
		}
		for _, f := range outcomes[:count] {
			counts.count(f)
		}
	}
	s.rows += uint64(n)
	return counts
}

// locate finds row i's leaf in every coordinate and the norm of its features, rounded as the leaves
// are, so that the identity of the squared distance holds on the grid exactly.
func (s *sums) locate(b *batch, i int, point []int16, mono []uint32) {
	d := s.d
	switch {
	case d.basis != nil:
		d.basis.monomials(point, mono)
	default:
		for c, x := range point {
			mono[c] = uint32((uint64(x)*monoOne + keyScale/2) / keyScale)
		}
	}
	norm := uint64(0)
	for c, m := range mono {
		if d.NoTrees {
			b.leaves[c*batchRows+i] = int32((m + 1<<(monoBits-pointBits-1)) >> (monoBits - pointBits))
			continue
		}
		g := min(int(uint64(m)*uint64(d.Leaves)>>monoBits), d.Leaves-1)
		b.leaves[c*batchRows+i] = int32(g)
		if d.basis != nil {
			norm += d.basis.share[c] * uint64(d.square[g]) // below 2^60, the sum below 2^61
		}
	}
	b.norm[i] = int64(min(norm>>shareBits, pointOne))
}

// accumulate adds count rows of a batch to coordinate c.
func (s *sums) accumulate(b *batch, c, count int) {
	d := s.d
	width := d.Dim + d.columns
	leaf := s.leaf[c*d.Leaves*d.columns : (c+1)*d.Leaves*d.columns]
	for i, at := range b.leaves[c*batchRows : c*batchRows+count] {
		weight := b.rows[i*width+d.Dim : (i+1)*width]
		if d.NoTrees {
			for k, w := range weight {
				leaf[k] += int64(w) * int64(at)
			}
			continue
		}
		for k, w := range weight {
			leaf[int(at)*d.columns+k] += int64(w)
		}
	}
}

// rowsOf loads, for so many workers, rows of tensors [n, d.Dim] and [n, width]. Without weights all
// of them are R_w.
func (d *design) rowsOf(threads int, points, weights *tensor.Tensor) func(worker, i int, dst []int16) Outcome {
	cols := d.columns
	if d.kind == kindAttention {
		cols = d.ValueDim
	}
	scratch := make([][]float64, threads)
	return func(worker, i int, dst []int16) Outcome {
		if scratch[worker] == nil {
			scratch[worker] = make([]float64, d.Dim+cols)
		}
		wide := scratch[worker]
		defer clear(wide)
		point, weight := wide[:d.Dim], wide[d.Dim:]
		points.LoadRow(i, point)
		if weights != nil {
			weights.LoadRow(i, weight)
		} else {
			for c := range weight {
				weight[c] = d.Weight
			}
		}
		return d.quantise(point, weight, dst)
	}
}

// checkRows checks tensors of points [n, d.Dim] and weights [n, width], or nil, and returns n.
func (s *sums) checkRows(names [2]string, points, weights *tensor.Tensor, width int) (n int, err error) {
	for _, a := range []struct {
		name string
		t    *tensor.Tensor
		want int
	}{{names[0], points, s.d.Dim}, {names[1], weights, width}} {
		if a.t == nil {
			continue
		}
		if err := a.t.Check(a.name); err != nil {
			return 0, err
		}
		if a.t.NDim != 2 || a.t.Shape[1] != a.want {
			return 0, fault.Invalid("%s has %d axes, the last of %d numbers; it must be [rows, %d]", a.name, a.t.NDim,
				a.t.Shape[a.t.NDim-1], a.want)
		}
	}
	n = points.Shape[0]
	if weights != nil && weights.Shape[0] != n {
		return 0, fault.Invalid("%s.shape[0] is %d; it must be the number of %s, %d", names[1], weights.Shape[0],
			names[0], n)
	}
	return n, s.room(names[0], n)
}
