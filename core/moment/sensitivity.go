package moment

import (
	"math/big"

	"dpattn/core/gaussian"
)

// Sensitivity is the exact squared L2 sensitivity of one head's integer sums to one unit, in
// integer units.
type Sensitivity struct {
	Squared *big.Int
	Sharper bool // the sharper REPLACE bound 2 sqrt(P) |v| applies
}

// Bounds are the public integer bounds that the gates enforce on every contribution phi (x) [v;
// lambda].
type Bounds struct {
	Phi2   uint64  // |phi|^2 <= Phi2
	Value2 uint64  // |v|^2 <= Value2
	Lambda int16   // the last entry of u, the same in every row that is not zero
	Floor  float64 // <phi, phi'> >= -Floor * Phi2
}

// Sensitivity returns the sensitivity for one unit of at most rows rows (PROOF.md, "Sensitivity").
//
//	ADD_REMOVE: rows^2 * Phi2 * (Value2 + lambda^2)
//	REPLACE:    4 times that; or rows^2 * 4 * Phi2 * Value2,
//	            if (1 + Floor)(Value2 + lambda^2) <= 2 Value2
func (b Bounds) Sensitivity(replace bool, rows int) Sensitivity {
	lambda2 := uint64(b.Lambda) * uint64(b.Lambda)
	right := b.Value2 + lambda2
	var out Sensitivity
	// The comparison errs on the side of the larger bound: Floor is rounded up and so is the
	// product.
	if replace && (1+b.Floor)*float64(right)*(1+1e-9) <= 2*float64(b.Value2) {
		right, out.Sharper = b.Value2, true
	}
	square := new(big.Int).Mul(new(big.Int).SetUint64(b.Phi2), new(big.Int).SetUint64(right))
	if replace {
		square.Lsh(square, 2)
	}
	m := big.NewInt(int64(rows))
	out.Squared = square.Mul(square, m.Mul(m, m))
	return out
}

// Clip returns the bound on the squared norm of one unit's summed contribution that is worth rows
// fully aligned rows. rows is positive and finite.
func (b Bounds) Clip(rows float64) *big.Int {
	return gaussian.Worth(b.Sensitivity(false, 1).Squared, rows)
}
