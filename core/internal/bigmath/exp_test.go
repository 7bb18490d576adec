package bigmath

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"dpattn/tests/testkit"
)

// expDigits holds 110 significant digits of e^x, rounded, made with mpmath at
// 130 digits: enough to judge 350 bits.
var expDigits = []struct{ x, want string }{
	{"0", "1"},
	{"1",
		"2.718281828459045235360287471352662497757247093699959574966967627724076630353547" +
			"5945713821785251664274274663919"},
	{"-50",
		"1.928749847963917783017342816527012574752832651230262910897809103820511624979646" +
			"5916523733787777351369978449198e-22"},
	{"1000",
		"1.970071114017046993888879352243323125316937985323845789952802991385063850782441" +
			"1934749780765630268899309638180e+434"},
	{"-0.5",
		"0.606530659712633423603799534991180453441918135487186955682892158735056519413748" +
			"42399864761150798945602642378979"},
	{"0.0009765625",
		"1.000977039492416535242845292611606506465851629181744199401864082649162504288968" +
			"6917365685369088246718607561376"},
	{"10000000",
		"6.592232534618439489560886131065908844666772266122138164123433077020806482695173" +
			"2854289005270873655564131860234e+4342944"},
	{"-10000000",
		"1.516936780898734357589463782261016246401085581490856436959012937511728895412701" +
			"0865270256091190911846271850496e-4342945"},
}

// parse reads a decimal with 512 bits, far more than any test needs.
func parse(t *testing.T, s string) *big.Float {
	t.Helper()
	return testkit.Decimal(t, s, 512)
}

// within fails unless |got - want| <= 2^-(prec-4) |want|, the promise of Exp.
func within(t *testing.T, name string, got, want *big.Float, prec uint) {
	t.Helper()
	d := new(big.Float).SetPrec(1024).Sub(got, want)
	tol := new(big.Float).SetMantExp(want, -int(prec)+4)
	if d.Abs(d).Cmp(tol.Abs(tol)) > 0 {
		t.Errorf("%s at %d bits: got %.40g, want %.40g", name, prec, got, want)
	}
	if got.Prec() != prec {
		t.Errorf("%s: precision %d, want %d", name, got.Prec(), prec)
	}
}

func TestExpDigits(t *testing.T) {
	for _, c := range expDigits {
		x, want := parse(t, c.x), parse(t, c.want)
		for _, prec := range []uint{1, 2, 8, 53, 64, 100, 256, 350} {
			within(t, "exp("+c.x+")", Exp(x, prec), want, prec)
		}
	}
}

// exp(a) exp(-a) = 1: two errors of 2^-(prec-4) at most.
func TestExpInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	one := big.NewFloat(1)
	for range 300 {
		a := big.NewFloat(rng.Float64() - 0.5)
		a.SetMantExp(a, rng.IntN(60)-35) // |a| < 2^24
		const prec = 300
		p := new(big.Float).SetPrec(600).Mul(Exp(a, prec), Exp(new(big.Float).Neg(a), prec))
		within(t, "exp(a)exp(-a) at "+a.String(), p.SetPrec(prec-1), one, prec-1)
	}
}

// Low precision against high precision, on arguments with long mantissas.
func TestExpPrecisions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		x := new(big.Float).SetPrec(200).SetRat(big.NewRat(rng.Int64()-1<<62, rng.Int64()|1))
		x.SetMantExp(x, rng.IntN(100)-85)
		prec := 1 + uint(rng.IntN(400))
		within(t, "exp("+x.String()+")", Exp(x, prec), Exp(x, prec+100), prec)
	}
}

func TestExpLimits(t *testing.T) {
	if z := Exp(new(big.Float), 64); z.Cmp(big.NewFloat(1)) != 0 {
		t.Errorf("exp(0) = %v", z)
	}
	tiny := new(big.Float).SetMantExp(big.NewFloat(1), -1<<30)
	within(t, "exp(2^-2^30)", Exp(tiny, 64), big.NewFloat(1), 64)
	for _, x := range []*big.Float{big.NewFloat(1 << 31), big.NewFloat(1e300), new(big.Float).SetInf(false)} {
		if z := Exp(x, 64); !z.IsInf() || z.Signbit() {
			t.Errorf("exp(%v) = %v", x, z)
		}
		if z := Exp(new(big.Float).Neg(x), 64); z.Sign() != 0 {
			t.Errorf("exp(-%v) = %v", x, z)
		}
	}
}

func BenchmarkExp(b *testing.B) {
	x := big.NewFloat(-12.34567)
	for b.Loop() {
		Exp(x, 256)
	}
}
