package mechanism

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/internal/wire"
)

// Encode writes a mechanism's parameters: what all files begin with, then its own.
func Encode(w *wire.Writer, m Mechanism) {
	head, number := m.Head(), m.Params().Mechanism.Kind().Number
	for _, v := range []int{head.Heads, head.KeyDim, head.ValueDim, head.Degree, int(number)} {
		w.U32(uint32(v))
	}
	m.Encode(w)
}

// EncodedLen is how many bytes Encode writes.
func EncodedLen(m Mechanism) int {
	var w wire.Writer
	Encode(&w, m)
	return len(w.Buf)
}

// ReleaseLen is the size of a saved release: the parameters, the budget, the name and the state.
func ReleaseLen(m Mechanism) uint64 {
	return uint64(wire.Overhead+EncodedLen(m)+8+8+16) + m.StateLen()
}

// DecodeRows reads how many rows a head was given.
func DecodeRows(r *wire.Reader) (uint64, error) {
	rows := r.U64()
	if rows > MaxRows {
		return 0, wire.Corrupt("a head has too many rows")
	}
	return rows, nil
}

// Damaged is what a wrong parameter becomes in a file: damage. Only what this version lacks stays
// that.
func Damaged(err error) error {
	if code := fault.CodeOf(err); code == fault.Unsupported {
		return fault.New(code, "data: %v", err)
	}
	return wire.Corrupt(err.Error())
}

// RowsFor is how many rows bring the noise of a numerator, at mean attention weight 1, down to
// target; 0 if that is 0.
func RowsFor(numerator, target float64) uint64 {
	if target == 0 {
		return 0
	}
	return uint64(min(math.Ceil(numerator/target), 1<<62))
}
