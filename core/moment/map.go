package moment

import "math/big"

// FeatureMap is the seam between keys and moments: anything that maps one quantised key to int16 features under an exact norm
// gate, and a query to the matching real vector psi, is a valid map. Which one a release uses is a parameter and is recorded in it.
type FeatureMap interface {
	// Features is r, the length of phi.
	Features() int
	// Norm2 is the public bound on |phi(x)|^2 over admitted keys, in exact integers.
	Norm2() uint64
	// Constant is the feature that is the same positive number for every key: it counts rows.
	Constant() int16
	// KernelFloor is an eta >= 0 with <phi(x), phi(y)> >= -eta*Norm2 for all admitted keys x, y; +Inf if none is proven.
	KernelFloor() float64
	// NewSums makes empty sums of phi(x) (x) u for right factors u with cols entries of magnitude at most largest.
	NewSums(cols int, largest int16) Sums
	// NewTable makes what answers queries from a noisy state [r, cols] in canonical order. It rounds no entry by more than rounding, but to f64.
	NewTable(state []int64, cols int, rounding float64) Table
	// PsiNorm2 is |psi(q)|^2 of a rotated query, psi being the query side: <psi(q), phi(x)> is near exp(scale <q, k>).
	PsiNorm2(q []float64) float64
}

// Table answers queries. It is immutable and safe for concurrent use.
type Table interface {
	// Sum writes psi(q)^T state for each of up to Block rotated queries [d] to sums [cols]. The bits depend neither on threads nor on which queries come
	// together.
	Sum(queries, sums [][]float64, threads int)
}

// Sums is one head's exact integer state: SECRET until noise is added.
//
// An entry cannot overflow: a row moves it by at most |phi||u| <= sqrt(Phi2 (Value2+lambda^2)) < 2^31 (checked where the bounds are
// chosen), and at most MaxRows = 2^30 rows enter, so it stays below 2^61.
type Sums interface {
	// NewIntake makes working memory for adding rows, many at a time: as many as serve the speed, at most rows.
	NewIntake(rows int) Intake
	// Empty makes empty sums of the same shape.
	Empty() Sums
	// Add adds other sums of the same map.
	Add(other Sums)
	// AddTo adds the sums to dst in canonical order, [r, cols].
	AddTo(dst []int64)
	// Set takes the sums from src in canonical order.
	Set(src []int64)
	// Clip makes their exact squared norm at most bound: if it is larger, it scales all of them by one factor, rounding each toward zero, and reports that
	// it did. What comes out is a function of the sums alone.
	Clip(bound *big.Int) (clipped bool)
	// Wipe zeroes the sums.
	Wipe()
}

// MaxRows is the largest number of rows in one head.
const MaxRows = 1 << 30

// Intake gates rows and adds their contributions. It holds secrets after use; Wipe it.
type Intake interface {
	// Capacity is how many rows go in at a time.
	Capacity() int
	// Set puts row i in place: the key x [d] and the right factor u [cols], or zeros. Different rows may be set at once.
	Set(i int, x, u []int16)
	// SetRows is Set for rows first..first+n-1, x [n, d] and u [n, cols]. It overwrites x.
	SetRows(first, n int, x, u []int16)
	// AddTo makes rows 0..rows-1 admissible, by a rule that for each row depends on that row alone: it shrinks x until |x|^2 < 2^30 and
	// |phi(x)|^2 <= Norm2 hold in exact integers. It adds phi(x) (x) u of each to sums, and returns how many rows it had to shrink.
	// The bits do not depend on the number of threads.
	AddTo(sums Sums, rows int) (shrunk uint64)
	// Wipe zeroes the memory.
	Wipe()
}
