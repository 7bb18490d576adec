package testkit

import (
	"math"
	"math/rand/v2"

	"dpattn/core/tensor"
)

// Matrix is a dense row-major matrix.
type Matrix struct {
	Rows, Cols int
	Data       []float64
}

// Zeros makes a matrix of zeros.
func Zeros(rows, cols int) Matrix { return Matrix{rows, cols, make([]float64, rows*cols)} }

// Dense makes a matrix of numbers that it takes over.
func Dense(rows, cols int, data []float64) Matrix { return Matrix{rows, cols, data} }

// Row is row i.
func (m Matrix) Row(i int) []float64 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Slice is rows lo..hi-1.
func (m Matrix) Slice(lo, hi int) Matrix {
	return Matrix{hi - lo, m.Cols, m.Data[lo*m.Cols : hi*m.Cols]}
}

// View is the matrix as a tensor.
func (m Matrix) View() tensor.Tensor { return tensor.Of(m.Data, m.Rows, m.Cols) }

// MaxNorm is the length of the longest row.
func (m Matrix) MaxNorm() (largest float64) {
	for i := range m.Rows {
		largest = max(largest, Norm(m.Row(i)))
	}
	return largest
}

// Norm is the Euclidean length.
func Norm(v []float64) (length float64) {
	for _, x := range v {
		length = math.Hypot(length, x)
	}
	return length
}

// Ball draws rows in a ball of the given radius, half of them on its surface.
func Ball(r *rand.Rand, rows, cols int, radius float64) Matrix {
	m := Zeros(rows, cols)
	for i := range rows {
		row := m.Row(i)
		for j := range row {
			row[j] = r.NormFloat64()
		}
		length := radius / Norm(row)
		if i%2 == 1 {
			length *= r.Float64()
		}
		for j := range row {
			row[j] *= length * (1 - 1e-12)
		}
	}
	return m
}
