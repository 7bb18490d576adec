package simd

import "math"

// KV is keys, values and biases of one head for softmax attention, in f32. It is immutable once all
// are set.
type KV struct {
	dim, cols int
	keys      []float32 // [cells, dim]
	values    []float32 // [cells, cols]
	bias      []float32 // [cells]
	inverse   []float32 // [cells]: exp(-bias)
}

// NewKV makes room for cells keys of length dim and values of length cols.
func NewKV(cells, dim, cols int) *KV {
	return &KV{
		dim: dim, cols: cols, keys: make([]float32, cells*dim), values: make([]float32, cells*cols),
		bias: make([]float32, cells), inverse: make([]float32, cells),
	}
}

// Set sets key, value and bias c.
func (t *KV) Set(c int, key, value []float64, bias float64) {
	for i, v := range key {
		t.keys[c*t.dim+i] = float32(v)
	}
	for i, v := range value {
		t.values[c*t.cols+i] = float32(v)
	}
	t.bias[c], t.inverse[c] = float32(bias), float32(math.Exp(-bias))
}

// KVWork is working memory and answers of a call of Attend.
type KVWork struct {
	Out     [][]float32 // [queries][cols]
	LSE     []float64   // ln sum_c w_c, w_c = exp(scale <q, key_c> + bias_c)
	Squares []float64   // sum_c (exp(scale <q, key_c>)/sum_c' w_c')^2
	logits  []float32   // [cells]
	query   []float32
}

// NewWork makes room for that many queries.
func (t *KV) NewWork(queries int) *KVWork {
	w := &KVWork{
		Out: make([][]float32, queries), LSE: make([]float64, queries), Squares: make([]float64, queries),
		logits: make([]float32, len(t.bias)), query: make([]float32, t.dim),
	}
	for i := range w.Out {
		w.Out[i] = make([]float32, t.cols)
	}
	return w
}

// Attend answers queries [dim] each, as many as w has room for:
//
//	Out = sum_c w_c value_c / sum_c w_c,  w_c = exp(scale <q, key_c> + bias_c)
//
// The bits depend neither on threads nor on which queries come together.
func (t *KV) Attend(queries [][]float64, scale float64, w *KVWork, threads int) {
	for i, q := range queries {
		for j, v := range q {
			w.query[j] = float32(scale * v)
		}
		largest := float32(math.Inf(-1))
		for c, bias := range t.bias {
			dot := bias
			for j, k := range t.keys[c*t.dim:][:t.dim] {
				dot += w.query[j] * k
			}
			w.logits[c] = dot
			largest = max(largest, dot)
		}
		sum, squares := 0.0, 0.0
		out := w.Out[i]
		clear(out)
		for c, logit := range w.logits {
			p := float32(math.Exp(float64(logit - largest)))
			sum += float64(p)
			e := float64(p) * float64(t.inverse[c])
			squares += e * e
			for j, v := range t.values[c*t.cols:][:t.cols] {
				out[j] += p * v
			}
		}
		for j := range out {
			out[j] /= float32(sum)
		}
		w.LSE[i] = float64(largest) + math.Log(sum)
		w.Squares[i] = squares / (sum * sum)
	}
}
