package simd

import (
	"math"
	"unsafe"
)

// KV is keys, values and biases of one head for softmax attention, in f32. It is immutable once all
// are set.
//
// Cells lie in panels of 96, which tiles of six columns, vectors of 16 numbers and loads of whole
// lines divide. Queries are answered in parts of cells, whose number and order depend on nothing
// else, and within a part every number is one chain of operations in a fixed order, whichever loop
// computes it: the bits of answers depend neither on threads nor on which queries come together.
// (They do depend on whether the kernels fuse the multiply-add: answers of different instruction
// sets agree to rounding.)
type KV struct {
	cells, dim, cols int
	wide             int       // the columns of body: those that fill whole vectors
	keys             []float32 // [panels][1+dim, width]: biases, then the keys' entries
	body             []float32 // [padded, wide]: values
	tail             []float32 // [padded, cols-wide]
	inverse          []float32 // [padded]: exp(-bias)
	part             int       // cells in a part
}

const (
	// panelCells is how many cells a panel has; the last one has a multiple of a vector.
	panelCells = 96
	// partPanels is how many panels a part has at most: the weights of 64 queries for them,
	// 192 KB, stay in a second-level cache.
	partPanels = 8
	// keyChunk is how many entries of keys the loops for many queries take at a time: a bias and
	// 64 entries at once, or a little more than chunk.
	keyChunk = 80
	// chains is how many sums of weights are taken side by side: cell c is in that of c%chains.
	chains = vector
)

// NewKV makes room for cells keys of length dim and values of length cols.
func NewKV(cells, dim, cols int) *KV {
	padded := (cells + vector - 1) / vector * vector
	panels := (cells + panelCells - 1) / panelCells
	t := &KV{
		cells: cells, dim: dim, cols: cols, wide: cols - cols%vector,
		keys: aligned(padded * (1 + dim)), inverse: aligned(padded),
		part: evenly(panels, partPanels) * panelCells,
	}
	t.body, t.tail = aligned(padded*t.wide), aligned(padded*(cols-t.wide))
	for c := cells; c < padded; c++ { // cells that are not there weigh nothing
		*t.key(c, 0) = float32(math.Inf(-1))
	}
	return t
}

// KVBytes is about the memory of such a KV.
func KVBytes(cells, dim, cols int) uint64 {
	return 4 * (uint64(cells) + vector) * uint64(dim+cols+2)
}

// padded is how many cells there are room for.
func (t *KV) padded() int { return len(t.inverse) }

// width is how many cells the panel has that begins with cell c.
func (t *KV) width(c int) int { return min(panelCells, t.padded()-c) }

// key is where entry i of the key of cell c lies, or its bias for i = 0, or entry i-1.
func (t *KV) key(c, i int) *float32 {
	first := c / panelCells * panelCells
	return &t.keys[first*(1+t.dim)+i*t.width(first)+c-first]
}

// Set sets key, value and bias c.
func (t *KV) Set(c int, key, value []float64, bias float64) {
	*t.key(c, 0), t.inverse[c] = float32(bias), float32(math.Exp(-bias))
	for i, v := range key {
		*t.key(c, 1+i) = float32(v)
	}
	for i, v := range value[:t.wide] {
		t.body[c*t.wide+i] = float32(v)
	}
	for i, v := range value[t.wide:] {
		t.tail[c*(t.cols-t.wide)+i] = float32(v)
	}
}

// Parts is the number of parts.
func (t *KV) Parts() int { return (t.cells + t.part - 1) / t.part }

// Work is how many multiply-adds a query takes.
func (t *KV) Work() int { return t.cells * (t.dim + t.cols) }

// KVWork is working memory for queries of a KV, and of others of its shape: Begin, then Part for
// each part, then Answer for each query. Begin lets it grow to what it is used for.
type KVWork struct {
	t        *KV
	n        int
	lanes    int       // 1, 16 or 64: that many queries lie side by side
	groups   int       // of lanes queries
	queries  []float32 // [groups, 1+dim, lanes], scaled; the first entry is 1, for the bias
	rows     []float32 // [vector, dim]: scaled queries on their way
	out      []float32 // [parts, groups, lanes, cols]: sums of weights times values
	top      []float32 // [parts, groups, lanes]: the largest logit
	sums     []float64 // [parts, groups, lanes]: of weights
	squares  []float64 // [parts, groups, lanes]: of weights without the masses
	perGroup int       // groups*lanes
}

// KVScratch is the memory of one goroutine in Part.
type KVScratch struct {
	weights       []float32 // [cells of a part, lanes], or [panels][queries, width]
	psi           []float32 // [keyChunk, lanes]
	values        []float32 // [cols, lanes]
	sums, squares []float32 // [chains, lanes]
	largest       []float32 // [vector]
	ones          []float32 // [MostQueries]
	factors       []factor  // of products: ones times row i
}

// NewScratch makes a KVScratch.
func (t *KV) NewScratch() *KVScratch {
	s := &KVScratch{
		weights: aligned(min(t.part, t.padded()) * MostQueries), psi: aligned(keyChunk * MostQueries),
		values: aligned(t.cols * MostQueries),
		sums:   aligned(chains * MostQueries), squares: aligned(chains * MostQueries), largest: aligned(vector),
		ones: aligned(MostQueries), factors: make([]factor, keyChunk),
	}
	for i := range s.ones {
		s.ones[i] = 1
	}
	for i := range s.factors {
		s.factors[i].g = int32(i)
	}
	return s
}

// Begin takes queries [dim], 1..MostQueries of them, whose products with keys are scaled.
func (w *KVWork) Begin(t *KV, queries [][]float64, scale float64) {
	w.t, w.n = t, len(queries)
	switch {
	case w.n <= few:
		w.lanes = 1
	case w.n <= MostQueries-16:
		w.lanes = 16
	default:
		w.lanes = 64
	}
	w.groups = (w.n + w.lanes - 1) / w.lanes
	w.perGroup = w.groups * w.lanes
	side := w.perGroup * t.Parts()
	w.queries = room(w.queries, w.perGroup*(1+t.dim))
	w.out, w.top = room(w.out, side*t.cols), room(w.top, side)
	if cap(w.sums) < side {
		w.sums, w.squares = make([]float64, side), make([]float64, side)
	}
	w.sums, w.squares = w.sums[:side], w.squares[:side]
	if w.lanes == 1 {
		for i, q := range queries {
			to := w.queries[i*(1+t.dim):][:1+t.dim]
			to[0] = 1
			active.round32(&to[1], &q[0], t.dim, scale)
		}
		return
	}
	w.rows = room(w.rows, vector*t.dim)
	for first := 0; first < w.perGroup; first += vector {
		clear(w.rows) // lanes without a query hold zeros
		for i := first; i < min(first+vector, w.n); i++ {
			active.round32(&w.rows[(i-first)*t.dim], &queries[i][0], t.dim, scale)
		}
		to := w.queries[first/w.lanes*w.lanes*(1+t.dim)+first%w.lanes:]
		for i := range vector {
			to[i] = 1
		}
		turn(to[w.lanes:], w.rows, vector, t.dim, w.lanes, t.dim)
	}
}

// turn transposes src [rows, cols] to dst [cols, rows], whose rows are so many numbers apart.
func turn(dst, src []float32, rows, cols, dstStride, srcStride int) {
	for i := 0; i < rows; i += vector {
		whole := cols - cols%vector
		if rows-i < vector {
			whole = 0
		}
		for j := 0; j < whole; j += vector {
			active.turn(&dst[j*dstStride+i], &src[i*srcStride+j], 4*dstStride, 4*srcStride)
		}
		for j := whole; j < cols; j++ {
			for k := i; k < min(i+vector, rows); k++ {
				dst[j*dstStride+k] = src[k*srcStride+j]
			}
		}
	}
}

// Part sums the weights, their squares, and values by weight, of the cells of part p.
func (w *KVWork) Part(p int, s *KVScratch) {
	t := w.t
	lo, hi := p*t.part, min((p+1)*t.part, t.padded())
	top := w.top[p*w.perGroup:][:w.perGroup]
	for i := range top {
		top[i] = float32(math.Inf(-1))
	}
	if w.lanes == 1 {
		w.fewQueries(p, lo, hi, top, s)
		return
	}
	for group := range w.groups {
		w.manyQueries(p, group, lo, hi, top[group*w.lanes:], s)
	}
}

// fewQueries is Part for queries that are answered one by one.
func (w *KVWork) fewQueries(p, lo, hi int, top []float32, s *KVScratch) {
	t, n := w.t, w.n
	weights, values := s.weights[:(hi-lo)*n], w.out[p*n*t.cols:][:n*t.cols]
	clear(weights)
	clear(values)
	for c := lo; c < hi; c += panelCells {
		width := t.width(c)
		keys, out := at(t.keys, c*(1+t.dim)), &weights[(c-lo)*n]
		active.gemv(out, &w.queries[0], keys, keys, 1+t.dim, width, 0, n, 1+t.dim)
	}
	narrow := t.cols - t.wide
	for i := range n {
		for j := range s.largest {
			s.largest[j] = top[i]
		}
		for c := lo; c < hi; c += panelCells {
			width := t.width(c)
			active.largest(&s.largest[0], &weights[(c-lo)*n+i*width], width/vector, vector)
		}
		for _, v := range s.largest {
			top[i] = max(top[i], v)
		}
		sums, squares := s.sums[:chains], s.squares[:chains]
		clear(sums)
		clear(squares)
		for c := lo; c < hi; c += panelCells {
			width := t.width(c)
			active.weighOne(&weights[(c-lo)*n+i*width], &t.inverse[c], &top[i], &sums[0], &squares[0], width)
		}
		active.gather(&w.sums[p*w.perGroup+i], &sums[0], 1, chains)
		active.gather(&w.squares[p*w.perGroup+i], &squares[0], 1, chains)
	}
	for c := lo; c < hi; c += panelCells {
		width := t.width(c)
		active.gemv(&values[0], &weights[(c-lo)*n], at(t.body, c*t.wide), at(t.tail, c*narrow),
			width, t.wide, narrow, n, width)
	}
}

// manyQueries is Part for a group of queries that are answered side by side.
func (w *KVWork) manyQueries(p, group, lo, hi int, top []float32, s *KVScratch) {
	t, lanes := w.t, w.lanes
	weights := s.weights[:(hi-lo)*lanes]
	clear(weights)
	queries := w.queries[group*(1+t.dim)*lanes:]
	factors := words(s.factors)
	gemm := func(out, psi, body, tail *float32, rows, wide, narrow int) {
		active.gemm(out, &s.psi[0], factors, &s.ones[0], psi, body, tail, rows, wide, narrow, lanes)
	}
	size := evenly(1+t.dim, keyChunk)
	for c := lo; c < hi; c += panelCells {
		width := t.width(c)
		for i := 0; i < 1+t.dim; i += size {
			keys := at(t.keys, c*(1+t.dim)+i*width)
			gemm(&weights[(c-lo)*lanes], &queries[i*lanes], keys, keys, min(size, 1+t.dim-i), width, 0)
		}
	}
	active.largest(&top[0], &weights[0], hi-lo, lanes)
	sums, squares := s.sums[:chains*lanes], s.squares[:chains*lanes]
	clear(sums)
	clear(squares)
	active.weigh(&weights[0], &t.inverse[lo], &top[0], &sums[0], &squares[0], hi-lo, lanes)
	first := p*w.perGroup + group*lanes
	active.gather(&w.sums[first], &sums[0], lanes, chains)
	active.gather(&w.squares[first], &squares[0], lanes, chains)
	narrow := t.cols - t.wide
	clear(s.values[:t.cols*lanes])
	for c := lo; c < hi; c += chunk {
		gemm(&s.values[0], &weights[(c-lo)*lanes], at(t.body, c*t.wide), at(t.tail, c*narrow),
			min(chunk, hi-c), t.wide, narrow)
	}
	turn(w.out[first*t.cols:], s.values, t.cols, lanes, t.cols, lanes)
}

// Answer adds up the parts of query i, in order:
//
//	out = unit sum_c w_c value_c / sum_c w_c,  w_c = exp(scale <q, key_c> + bias_c)
//
// lse is ln sum_c w_c, and squares is sum_c (exp(scale <q, key_c>)/sum_c' w_c')^2.
func (w *KVWork) Answer(i int, unit float64, out []float64) (lse, squares float64) {
	t, top := w.t, float32(math.Inf(-1))
	for p := range t.Parts() {
		top = max(top, w.top[p*w.perGroup+i])
	}
	factor := func(p int) float64 {
		if w.top[p*w.perGroup+i] == top {
			return 1
		}
		return math.Exp(float64(w.top[p*w.perGroup+i] - top))
	}
	sum := 0.0
	for p := range t.Parts() {
		f := factor(p)
		sum += f * w.sums[p*w.perGroup+i]
		squares += f * f * w.squares[p*w.perGroup+i]
	}
	for p := range t.Parts() {
		f := factor(p) * unit / sum
		from := w.out[(p*w.perGroup+i)*t.cols:][:t.cols]
		if p == 0 {
			for c, v := range from {
				out[c] = f * float64(v)
			}
			continue
		}
		for c, v := range from {
			out[c] += f * float64(v)
		}
	}
	return float64(top) + math.Log(sum), squares / (sum * sum)
}

func largestGeneric(top, x *float32, rows, lanes int) {
	t, all := unsafe.Slice(top, lanes), unsafe.Slice(x, rows*lanes)
	for i, v := range all {
		t[i%lanes] = max(t[i%lanes], v)
	}
}

// weight is exp(x) for x <= 0.
func weight(x float32) float32 {
	if x <= noWeight {
		return 0
	}
	return float32(math.Exp(float64(x)))
}

func weighGeneric(x, inverse, top, sums, squares *float32, rows, lanes int) {
	all, t := unsafe.Slice(x, rows*lanes), unsafe.Slice(top, lanes)
	sum, square := unsafe.Slice(sums, chains*lanes), unsafe.Slice(squares, chains*lanes)
	for i, mass := range unsafe.Slice(inverse, rows) {
		for q := range lanes {
			v := &all[i*lanes+q]
			*v = weight(*v - t[q])
			e := float32(*v * mass)
			sum[i%chains*lanes+q] += *v
			square[i%chains*lanes+q] += float32(e * e)
		}
	}
}

func weighOneGeneric(x, inverse, top, sums, squares *float32, n int) {
	for i := 0; i < n; i++ {
		weighGeneric(index(x, i), index(inverse, i), top, index(sums, i%chains), index(squares, i%chains), 1, 1)
	}
}

func turnGeneric(dst, src *float32, dstStride, srcStride int) {
	for i := range vector {
		for j, v := range unsafe.Slice(index(src, i*srcStride/4), vector) {
			*index(dst, j*dstStride/4+i) = v
		}
	}
}
