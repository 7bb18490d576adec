package simd

// Codebook finds the nearest of some centroids. It is immutable.
type Codebook struct {
	dim   int
	m     []int16 // [cells, dim]
	norm2 []int64 // [cells]
}

// NewCodebook makes a Codebook of centroids m [cells, dim], each with |m|^2 < 2^30. It keeps m.
func NewCodebook(m []int16, dim int) *Codebook {
	b := &Codebook{dim: dim, m: m, norm2: make([]int64, len(m)/dim)}
	for c := range b.norm2 {
		b.norm2[c] = int64(Norm2(m[c*dim:][:dim]))
	}
	return b
}

// Assign writes for each key of x [n, dim], with |x|^2 < 2^30, the index of its nearest centroid to
// cell [n], the lowest one where several are:
//
//	argmax over c of 2 <x, m[c]> - |m[c]|^2, in exact integers
func (b *Codebook) Assign(x []int16, cell []int32) {
	for i := range cell {
		key := x[i*b.dim:][:b.dim]
		best := int64(-1 << 62)
		for c, norm2 := range b.norm2 {
			dot := int64(0)
			for j, v := range b.m[c*b.dim:][:b.dim] {
				dot += int64(key[j]) * int64(v)
			}
			if score := 2*dot - norm2; score > best {
				best, cell[i] = score, int32(c)
			}
		}
	}
}
