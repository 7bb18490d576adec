package privacy

import (
	"math"
	"math/big"

	"dpattn/core/fault"
)

// Cost is what one release spends.
type Cost struct {
	MuSquared *big.Rat // a bound of mu^2 of a Gaussian release; nil for a mechanism that has no mu
	Promise   Budget   // what the release promises by itself
}

// Allowance is what all releases of one data set may spend together, each of them chosen in the
// light of the earlier ones. It has two pockets, fixed before the first release: Gaussian releases
// spend from Mu, in squares, and all others from Other, by plain addition. What both together
// promise is Promise (PROOF.md, section 9, which also says why one pocket for both kinds would be
// wrong).
type Allowance struct {
	Promise Budget  // zero if only Mu was asked for
	Mu      float64 // of all Gaussian releases together
	Other   Budget  // of all others together; part of Promise
}

// NewAllowance divides a promise: other is set aside for mechanisms that are not Gaussian, and is
// zero if there will be none.
func NewAllowance(promise, other Budget) (Allowance, error) {
	if err := promise.Validate(); err != nil {
		return Allowance{}, err
	}
	if !(other.Epsilon >= 0 && other.Epsilon <= promise.Epsilon) {
		return Allowance{}, fault.Invalid("other_epsilon is %v, must be in 0..epsilon = %v", other.Epsilon,
			promise.Epsilon)
	}
	if !(other.Delta >= 0 && other.Delta <= promise.Delta) {
		return Allowance{}, fault.Invalid("other_delta is %v, must be in 0..delta = %v", other.Delta, promise.Delta)
	}
	if other.Epsilon == 0 && other.Delta > 0 {
		return Allowance{}, fault.Invalid("other_delta is %v, must be 0 when other_epsilon is", other.Delta)
	}
	a := Allowance{Promise: promise, Other: other}
	// Rounded down: a smaller epsilon and a smaller delta give a smaller mu.
	left := Budget{Epsilon: minus(promise.Epsilon, other.Epsilon), Delta: minus(promise.Delta, other.Delta)}
	if left.Epsilon > 0 && left.Delta > 0 {
		var err error
		if a.Mu, err = Mu(left.Epsilon, left.Delta); err != nil {
			return Allowance{}, err
		}
	}
	return a, nil
}

// MuAllowance is for Gaussian releases only.
func MuAllowance(mu float64) (Allowance, error) {
	if err := checkPositive("mu", mu); err != nil {
		return Allowance{}, err
	}
	return Allowance{Mu: mu}, nil
}

// minus returns a - b rounded down.
func minus(a, b float64) float64 {
	return roundDown(new(big.Float).SetPrec(exactPrec).Sub(big.NewFloat(a), big.NewFloat(b)))
}

// plus returns a + b rounded up, +Inf included.
func plus(a, b float64) float64 {
	if math.IsInf(a, 1) || math.IsInf(b, 1) {
		return math.Inf(1)
	}
	return roundUp(new(big.Float).SetPrec(exactPrec).Add(big.NewFloat(a), big.NewFloat(b)))
}

// exactPrec holds sums and differences of any two float64 without rounding.
const exactPrec = 2200

// Check returns an Overspent error unless all costs together are within a. The comparisons are
// exact.
func (a Allowance) Check(costs []Cost) error {
	squares, epsilons, deltas := divide(costs)
	if !sumAtMost(squares, new(big.Rat).Mul(exactly(a.Mu), exactly(a.Mu))) {
		if a.Mu == 0 {
			return fault.New(fault.Overspent, "the ledger sets nothing aside for Gaussian releases")
		}
		return fault.New(fault.Overspent, "together with earlier releases mu would be %v; the ledger allows %v",
			sumOf(squares).root(), a.Mu)
	}
	if len(epsilons) > 0 && a.Other.Epsilon == 0 {
		return fault.New(fault.Overspent,
			"the ledger sets nothing aside for mechanisms that are not Gaussian (other_epsilon, other_delta)")
	}
	if !sumAtMost(epsilons, exactly(a.Other.Epsilon)) {
		return fault.New(fault.Overspent, "together with earlier releases that are not Gaussian epsilon would be %v; "+
			"the ledger sets %v aside for them",
			sumOf(epsilons).up(), a.Other.Epsilon)
	}
	if !sumAtMost(deltas, exactly(a.Other.Delta)) {
		return fault.New(fault.Overspent, "together with earlier releases that are not Gaussian delta would be %v; "+
			"the ledger sets %v aside for them",
			sumOf(deltas).up(), a.Other.Delta)
	}
	return nil
}

// Statement is what costs have spent of an allowance and what they leave.
type Statement struct {
	Mu    float64 // of all Gaussian releases together, rounded up
	Other Budget  // of all others together, rounded up
	// Epsilon is what all releases so far promise together at the delta of the allowance's promise,
	// rounded up; NaN without a promise.
	Epsilon   float64
	MuLeft    float64 // rounded down; so is
	OtherLeft Budget
}

// State returns the statement. The costs are within a.
func (a Allowance) State(costs []Cost) Statement {
	squares, epsilons, deltas := divide(costs)
	s := Statement{Mu: sumOf(squares).root(), Other: Budget{Epsilon: sumOf(epsilons).up(),
		Delta: sumOf(deltas).up()}, Epsilon: math.NaN()}
	if a.Promise.Delta > 0 {
		// Mu spends at most minus(delta, Other.Delta of a), so that this delta is positive where mu
		// is.
		s.Epsilon = plus(s.Other.Epsilon, Epsilon(s.Mu, max(0, minus(a.Promise.Delta, s.Other.Delta))))
	}
	s.OtherLeft = Budget{Epsilon: max(0, minus(a.Other.Epsilon, s.Other.Epsilon)),
		Delta: max(0, minus(a.Other.Delta, s.Other.Delta))}
	total := sumOf(squares)
	allowed := inUnits(a.Mu)
	allowed.Mul(allowed, allowed).Sub(allowed, total.units)
	if allowed.Sign() > 0 {
		s.MuLeft = roundDown(fromUnits(allowed.Sqrt(allowed)))
	}
	return s
}

// Shares returns for each n what each of n further Gaussian releases may promise at delta, if they
// divide mu equally: the largest epsilon so that all of them are admitted, 0 if there is none.
func Shares(mu, delta float64, n ...int) []float64 {
	shares := make([]float64, len(n))
	for i, n := range n {
		// The float64 before Epsilon is the last whose Mu is below the share.
		if share := Split(mu, n); share > 0 {
			shares[i] = max(0, math.Nextafter(Epsilon(share, delta), -1))
		}
	}
	return shares
}

// divide sorts costs into the pockets: mu^2 of Gaussian releases, epsilon and delta of others.
func divide(costs []Cost) (squares, epsilons, deltas []*big.Rat) {
	for _, c := range costs {
		if c.MuSquared != nil {
			squares = append(squares, c.MuSquared)
		} else {
			epsilons, deltas = append(epsilons, exactly(c.Promise.Epsilon)), append(deltas, exactly(c.Promise.Delta))
		}
	}
	return squares, epsilons, deltas
}

// exactly is the finite f as a fraction.
func exactly(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }

// sum is an upper bound of a sum of fractions, in units of 2^-squareUnits; less than one unit a
// term too large.
type sum struct{ units *big.Int }

func sumOf(terms []*big.Rat) sum {
	_, hi := enclose(terms, squareUnits)
	return sum{hi}
}

// up is the sum, rounded up.
func (s sum) up() float64 {
	return roundUp(new(big.Float).SetMantExp(new(big.Float).SetInt(s.units), -squareUnits))
}

// root is the square root of the sum, rounded up.
func (s sum) root() float64 { return roundUp(fromUnits(ceilSqrt(s.units))) }

// enclose returns integers lo <= 2^prec sum(terms) <= hi.
func enclose(terms []*big.Rat, prec uint) (lo, hi *big.Int) {
	lo, hi = new(big.Int), new(big.Int)
	for _, t := range terms {
		quotient, rest := new(big.Int).QuoRem(new(big.Int).Lsh(t.Num(), prec), t.Denom(), new(big.Int))
		lo.Add(lo, quotient)
		hi.Add(hi, quotient)
		if rest.Sign() > 0 {
			hi.Add(hi, one)
		}
	}
	return lo, hi
}

// sumAtMost reports whether sum(terms) <= limit, exactly, for terms >= 0. The fraction that is the
// sum of many with different denominators has a length that grows with each of them, so terms of
// one denominator are added first, which is exact, and what remains is enclosed ever more narrowly
// until it is clear on which side the limit is. Should 2^-4096 not do, the sum of up to 64 groups
// is worked out; of more, the answer is no.
func sumAtMost(terms []*big.Rat, limit *big.Rat) bool {
	alike := map[string]*big.Rat{}
	var groups []*big.Rat
	for _, t := range terms {
		key := string(t.Denom().Bytes())
		if alike[key] == nil {
			alike[key] = new(big.Rat)
			groups = append(groups, alike[key])
		}
		alike[key].Add(alike[key], t)
	}
	for prec := uint(256); ; prec *= 2 {
		lo, hi := enclose(groups, prec)
		scaled := new(big.Int).Lsh(limit.Num(), prec)
		if hi.Mul(hi, limit.Denom()).Cmp(scaled) <= 0 {
			return true
		}
		if lo.Mul(lo, limit.Denom()).Cmp(scaled) > 0 {
			return false
		}
		if prec >= maxPrec {
			break
		}
	}
	if len(groups) > maxFraction {
		return false
	}
	sum := new(big.Rat)
	for _, g := range groups {
		sum.Add(sum, g)
	}
	return sum.Cmp(limit) <= 0
}

// maxFraction is for how many different sigmas MuSquared is exact: the length of the fraction grows
// with each.
const maxFraction = 64

// roundedTo is the exponent of the unit that terms of longer sums are rounded up to.
const roundedTo = 256

// Term is a number of equal parts, heads for instance, of squared sensitivity Squared with noise of
// standard deviation Sigma >= 1.
type Term struct {
	Squared *big.Int
	Parts   int
	Sigma   uint64
}

// fraction is Parts*Squared/Sigma^2, what the term adds to mu^2.
func (t Term) fraction() (top, bottom *big.Int) {
	top = new(big.Int).Mul(t.Squared, big.NewInt(int64(t.Parts)))
	bottom = new(big.Int).SetUint64(t.Sigma)
	return top, bottom.Mul(bottom, bottom)
}

// MuSquared returns sum Parts*Squared/Sigma^2, exact for at most 64 terms; with more of them each
// is rounded up to a multiple of 2^-256.
func MuSquared(terms []Term) *big.Rat {
	sum := new(big.Rat)
	units := new(big.Int)
	for _, t := range terms {
		top, bottom := t.fraction()
		if len(terms) <= maxFraction {
			sum.Add(sum, new(big.Rat).SetFrac(top, bottom))
		} else {
			units.Add(units, ceilQuo(top.Lsh(top, roundedTo), bottom))
		}
	}
	if len(terms) <= maxFraction {
		return sum
	}
	return sum.SetFrac(units, new(big.Int).Lsh(one, roundedTo))
}

// Keeps reports whether noise of these terms keeps the budget: whether sum
// Parts*Squared/Sigma^2 <= mu^2, exactly, for the last float64 mu within it.
func Keeps(budget Budget, terms []Term) bool {
	mu, err := Mu(budget.Epsilon, budget.Delta)
	if err != nil {
		return false
	}
	squares := make([]*big.Rat, len(terms))
	for i, t := range terms {
		squares[i] = new(big.Rat).SetFrac(t.fraction())
	}
	limit := exactly(mu)
	return sumAtMost(squares, limit.Mul(limit, limit))
}

// RootUp returns sqrt(x), rounded up, for x >= 0.
func RootUp(x *big.Rat) float64 { return sumOf([]*big.Rat{x}).root() }
