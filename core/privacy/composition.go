package privacy

import (
	"math"
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/internal/bigmath"
)

// Rule is a way to add up many mechanisms that each are (Epsilon0, Delta0)-differentially private.
type Rule int32

// Rules, with the numbers of files.
const (
	// Basic composition: (k Epsilon0, k Delta0).
	Basic Rule = 1
	// Advanced composition: (sqrt(2 k ln(1/DeltaPrime)) Epsilon0 + k Epsilon0 (e^Epsilon0 - 1), k
	// Delta0 + DeltaPrime) (Dwork, Rothblum and Vadhan 2010, "Boosting and differential privacy",
	// theorem III.3).
	Advanced Rule = 2
)

func (r Rule) String() string {
	switch r {
	case Basic:
		return "basic"
	case Advanced:
		return "advanced"
	}
	return "unknown"
}

// Composition is a release that is made of Count mechanisms, each of them (Epsilon0,
// Delta0)-differentially private, chosen adaptively or not.
type Composition struct {
	Rule       Rule
	Count      uint64  // k, at least 1
	Epsilon0   float64 // of one mechanism
	Delta0     float64 // of one mechanism
	DeltaPrime float64 // what the advanced rule spends on top; 0 for Basic
}

// Total returns what the whole spends, rounded up. A composition that makes no sense gives (+Inf,
// 1).
func (c Composition) Total() Budget {
	nothing := Budget{math.Inf(1), 1}
	if c.Count < 1 || c.Count > maxCount || !finite(c.Epsilon0) || !finite(c.Delta0) {
		return nothing
	}
	times := func(f float64) *big.Int { return new(big.Int).Mul(inUnits(f), new(big.Int).SetUint64(c.Count)) }
	switch {
	case c.Rule == Basic && c.DeltaPrime == 0:
		return Budget{roundUp(fromUnits(times(c.Epsilon0))), min(1, roundUp(fromUnits(times(c.Delta0))))}
	case c.Rule == Advanced && c.DeltaPrime > 0 && c.DeltaPrime < 1:
		delta := times(c.Delta0)
		delta.Add(delta, inUnits(c.DeltaPrime))
		return Budget{roundUp(advanced(c.Count, c.Epsilon0, logInverse(c.DeltaPrime))),
			min(1, roundUp(fromUnits(delta)))}
	}
	return nothing
}

// maxCount keeps k and its products exact.
const maxCount = 1 << 53

// advanced returns sqrt(2 k l) e + k e (exp(e) - 1), rounded up, for l >= ln(1/DeltaPrime).
func advanced(k uint64, e, l float64) *big.Float {
	up := func() *big.Float { return new(big.Float).SetPrec(128).SetMode(big.ToPositiveInf) }
	if e > 1<<20 {
		return up().SetInf(false)
	}
	count, epsilon := up().SetUint64(k), up().SetFloat64(e)
	root := up().Mul(count, up().SetFloat64(2*l)) // doubling is exact
	root.Sqrt(root)                               // rounded to nearest: up by two units in the last place is above
	root.Add(root, up().SetMantExp(root, -126))
	first := up().Mul(root, epsilon)

	// expm1 by e^e - 1: e^e with its relative error; what cancellation leaves is an absolute error
	// of 2^-190, above.
	exp := bigmath.Exp(epsilon, 256)
	grow := new(big.Float).SetPrec(256).SetMode(big.ToPositiveInf)
	grow.Add(exp, new(big.Float).SetMantExp(exp, -256+5))
	grow.Sub(grow, big.NewFloat(1))
	second := up().Mul(count, up().Mul(epsilon, up().Set(grow)))
	return first.Add(first, second)
}

// logInverse returns an upper bound of ln(1/delta), close to it, for 0 < delta < 1.
func logInverse(delta float64) float64 {
	// math.Log is about right; what is returned is a multiple of 2^-42, which is exact below 2^10,
	// and verified. The step also makes it the same on every machine, but for logarithms at a
	// step's end.
	const step = 0x1p-42
	d := big.NewFloat(delta)
	f, e := math.Frexp(delta) // math.Log is wrong for subnormal numbers on some machines
	for l := math.Ceil(-(math.Log(f)+float64(e)*math.Ln2)/step) * step; ; l += step {
		x := bigmath.Exp(new(big.Float).Neg(big.NewFloat(l)), 128)
		if x.Add(x, new(big.Float).SetMantExp(x, -128+5)).Cmp(d) <= 0 {
			return l
		}
	}
}

// SplitBudget splits the budget into count equal mechanisms by the rule that leaves each the larger
// Epsilon0, hence the less noise. Advanced composition keeps half of delta for DeltaPrime: Epsilon0
// depends on its logarithm only. The result's Total is at most the budget.
func SplitBudget(budget Budget, count uint64) (Composition, error) {
	if err := budget.Validate(); err != nil {
		return Composition{}, err
	}
	if count < 1 || count > maxCount {
		return Composition{}, fault.New(fault.Limit,
			"a release of %d mechanisms cannot be accounted for; their number must be in 1..2^53", count)
	}
	split := func(f float64, parts uint64) float64 { // f/parts, rounded down
		return roundDown(fromUnits(new(big.Int).Quo(inUnits(f), new(big.Int).SetUint64(parts))))
	}
	basic := Composition{Rule: Basic, Count: count, Epsilon0: split(budget.Epsilon, count),
		Delta0: split(budget.Delta, count)}
	half := split(budget.Delta, 2)
	best := Composition{Rule: Advanced, Count: count, Delta0: split(half, count), DeltaPrime: half}
	if half > 0 {
		l, total := logInverse(half), big.NewFloat(budget.Epsilon)
		best.Epsilon0 = lastWhere(func(e float64) bool { return advanced(count, e, l).Cmp(total) <= 0 })
	}
	if !(best.Epsilon0 > basic.Epsilon0) {
		best = basic
	}
	if best.Epsilon0 <= 0 || best.Delta0 <= 0 {
		return Composition{}, fault.New(fault.Limit, "epsilon %v and delta %v cannot be split into %d parts",
			budget.Epsilon, budget.Delta, count)
	}
	return best, nil
}
