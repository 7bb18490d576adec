package bigmath

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// normalDigits holds 75 significant digits, made with mpmath at 150 digits: enough to judge 240
// bits.
var normalDigits = []struct{ x, tail, density, mills string }{ // 1 - Phi(x), phi(x), R(x)
	{"0",
		"0.5",
		"0.398942280401432677939946059934381868475858631164934657665925829670657925899",
		"1.2533141373155002512078826424055226265034933703049691583149617881711468273"},
	{"0.0009765625",
		"0.499610407991219458993224246080530165776662798862020300282974061881614657272",
		"0.39894209017097475872562146470367252002870516008824961778643598103868082245",
		"1.25233817213195339245873432901229113117542096490530711132227274223675888743"},
	{"0.5",
		"0.308537538725986896362295389391662260116397824445422063179223857320844204594",
		"0.352065326764299477774680441596517653110315180375711949655469017988223197837",
		"0.876364456453692346727853142639848860860109797534584071035252527105411390875"},
	{"1",
		"0.158655253931457051414767454367962077522087033273395609012605549757008558013",
		"0.24197072451914334979783019293556065482867197073743502548755508428110006357",
		"0.655679542418798471543871230730811283399282332870462028053686158734197165766"},
	{"3",
		"0.00134989803163009452665181476759497737782936815838064936422198535580572076457",
		"0.00443184841193800717560235269612101124316873180434104325724909993644531923754",
		"0.3045902987101032957336125465157222019433208678573168488430658892071832212"},
	{"6.25",
		"0.000000000205226342521893888162276359579163839146211994908051370869144936485689338111",
		"0.00000000131400181815588388576648739131861028715698542147950235128155722148439421179",
		"0.156184215033975916331183915605881505458593040770572549081369914333480676364"},
	{"10",
		"0.00000000000000000000000761985302416052606597334325159930836350403327795696057803535546289661562206",
		"0.0000000000000000000000769459862670641934633903358004187723535946261288312858694962898866801661192",
		"0.0990285964717319213953371885953105783455223518048926092191869855346783926281"},
	{"37.5",
		"4.60535300958195484382796909761089623892069263739247218950566629295499227979e-308",
		"1.72823373228410522075079284035982653233966524808981251795245396295871710037e-306",
		"0.0266477440148985503324363533705774288401242918687141514272198325610202439419"},
	{"100",
		"1.34417907674419830507308016713525284662317273477762439283065998330727725497e-2174",
		"1.3443134677817230433408433600205166531832983832099941400287347703477216849e-2172",
		"0.00999900029985010490560381506735855910729839936276247687744369710360655617738"},
	{"1000",
		"2.2906461465454984106431090811381813167929877553961294427480955560339749301e-217151",
		"2.29064843718706368675472068668329345982091150839822088204015466132996528061e-217148",
		"0.000999999000002999985000104999055010394864867026990541229715326005651237584871"},
}

var normalPrecs = []uint{4, 53, 64, 130, 240}

// encloses fails unless got holds want, up to the last of its 75 digits, and is narrow.
func encloses(t *testing.T, name string, got Interval, want *big.Float, prec uint) {
	t.Helper()
	lo, hi := got.Lo, got.Hi
	last := new(big.Float).SetPrec(512).SetMantExp(want, -246)
	if new(big.Float).SetPrec(512).Sub(lo, last).Cmp(want) > 0 ||
		new(big.Float).SetPrec(512).Add(hi, last).Cmp(want) < 0 {
		t.Errorf("%s at %d bits: [%.40g, %.40g] does not hold %.40g", name, prec, lo, hi, want)
	}
	narrow(t, name, got, prec)
}

// narrow fails unless 0 <= hi - lo <= 2^(2-prec) hi.
func narrow(t *testing.T, name string, got Interval, prec uint) {
	t.Helper()
	lo, hi := got.Lo, got.Hi
	width := new(big.Float).SetPrec(512).Sub(hi, lo)
	if width.Sign() < 0 || width.Cmp(new(big.Float).SetMantExp(hi, 2-int(prec))) > 0 {
		t.Errorf("%s at %d bits: [%.40g, %.40g] has width %.3g", name, prec, lo, hi, width)
	}
	if lo.Prec() != prec || hi.Prec() != prec {
		t.Errorf("%s at %d bits: bounds of %d and %d bits", name, prec, lo.Prec(), hi.Prec())
	}
}

func TestNormalDigits(t *testing.T) {
	one := new(big.Float).SetPrec(512).SetInt64(1)
	for _, c := range normalDigits {
		x, tail := parse(t, c.x), parse(t, c.tail)
		for _, prec := range normalPrecs {
			plus := Point(x, max(prec, 11)) // 11 bits hold all of these
			encloses(t, "Phi(-"+c.x+")", Phi(plus.Neg()).To(prec), tail, prec)
			encloses(t, "Phi("+c.x+")", Phi(plus).To(prec), new(big.Float).SetPrec(512).Sub(one, tail), prec)
			encloses(t, "phi("+c.x+")", Density(plus).To(prec), parse(t, c.density), prec)
			encloses(t, "phi(-"+c.x+")", Density(plus.Neg()).To(prec), parse(t, c.density), prec)
			encloses(t, "R("+c.x+")", Mills(plus).To(prec), parse(t, c.mills), prec)
		}
	}
}

// The series and the continued fraction have nothing in common but the function. Both enclosures
// are narrow and must meet.
func TestMillsSeriesMeetsFraction(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 150 {
		x := big.NewFloat(0.7 + 12*rng.Float64())
		prec := uint(20 + rng.IntN(180))
		series, fraction := millsSeries(x, prec), millsFraction(x, prec)
		narrow(t, "series", series, prec)
		narrow(t, "fraction", fraction, prec)
		if series.Lo.Cmp(fraction.Hi) > 0 || fraction.Lo.Cmp(series.Hi) > 0 {
			t.Errorf("R(%v) at %d bits: series %.30g, fraction %.30g", x, prec, series, fraction)
		}
	}
}

var normalFunctions = map[string]func(Interval) Interval{
	"Phi": Phi, "phi": Density, "R": func(x Interval) Interval { return Mills(x.Abs()) },
}

// Arguments and precisions of every size: narrow, and holding what a higher precision finds.
func TestNormalRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for range 300 {
		f := min(max(rng.NormFloat64()*math.Exp(8*rng.Float64()-6), -MaxNormal), MaxNormal)
		prec := uint(53 + rng.IntN(200))
		for name, function := range normalFunctions {
			got, finer := function(Point(big.NewFloat(f), prec)), function(Point(big.NewFloat(f), prec+61))
			narrow(t, name, got, prec)
			if got.Lo.Cmp(finer.Lo) > 0 || got.Hi.Cmp(finer.Hi) < 0 {
				t.Errorf("%s(%v): %.30g at %d bits, %.30g at %d bits", name, f, got, prec, finer, prec+61)
			}
		}
	}
}

// The result for an interval holds the results for its points, be it narrow, wide, around 0 or
// around MaxNormal.
func TestNormalOfIntervals(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for range 1000 {
		lo := rng.NormFloat64() * math.Exp(14*rng.Float64()-6)
		hi := lo + math.Exp(33*rng.Float64()-25)
		inside := lo + (hi-lo)*rng.Float64()
		for name, function := range normalFunctions {
			got := function(Interval{down(60).SetFloat64(lo), up(60).SetFloat64(hi)})
			for _, f := range []float64{lo, inside, hi} {
				point := function(Point(big.NewFloat(f), 80))
				if got.Lo.Cmp(point.Hi) > 0 || got.Hi.Cmp(point.Lo) < 0 {
					t.Errorf("%s([%v, %v]) = %.20g, but at %v: %.20g", name, lo, hi, got, f, point)
				}
			}
		}
	}
}

func TestNormalFar(t *testing.T) {
	one := big.NewFloat(1)
	for _, size := range []float64{math.Nextafter(MaxNormal, 2*MaxNormal), 1e6, 1e300} {
		x := Point(big.NewFloat(size), 64)
		for name, tiny := range map[string]Interval{"Phi": Phi(x.Neg()), "phi": Density(x)} {
			if tiny.Lo.Sign() < 0 || tiny.Hi.Sign() <= 0 || tiny.Hi.MantExp(nil) > -1<<19+1 {
				t.Errorf("%s far at %v: %v", name, size, tiny)
			}
		}
		if got := Phi(x); got.Hi.Cmp(one) != 0 || got.Lo.Cmp(one) >= 0 ||
			new(big.Float).Sub(one, got.Lo).MantExp(nil) > -63 {
			t.Errorf("Phi(%v): %v", size, got)
		}
	}
	for _, size := range []float64{1e6, 1e150, math.MaxFloat64} { // R(x) is between x/(x^2+1) and 1/x
		got := Mills(Point(big.NewFloat(size), 64))
		narrow(t, "R", got, 64)
		if f, _ := got.Lo.Float64(); math.Abs(f*size-1) > 2e-12 {
			t.Errorf("R(%v): %v", size, got)
		}
	}
	// Larger than a float64.
	got := Mills(Point(new(big.Float).SetMantExp(one, 3000), 64))
	narrow(t, "R(2^3000)", got, 64)
	if got.Lo.MantExp(nil) != -3000 || got.Hi.MantExp(nil) != -2999 {
		t.Errorf("R(2^3000): %v", got)
	}
}

// The digits of pi, and bounds at every precision that hold those of a higher one.
func TestPi(t *testing.T) {
	p, q := piBounds(200)
	pi := parse(t, "3.14159265358979323846264338327950288419716939937510"+
		"582097494459230781640628620899862803482534211706798")
	pi.SetMantExp(pi, 200)
	if new(big.Float).SetInt(p).Cmp(pi) > 0 || new(big.Float).SetInt(q).Cmp(pi) < 0 ||
		new(big.Int).Sub(q, p).Int64() > 2 {
		t.Errorf("pi 2^200 in [%v, %v]", p, q)
	}
	for _, m := range []int64{2, 5, 239} {
		const w, more = 300, 100
		sum, bound := arctanInverse(m, w)
		fine, _ := arctanInverse(m, w+more)
		if d := sum.Sub(sum, fine.Rsh(fine, more)); d.CmpAbs(big.NewInt(bound)) > 0 || bound > 3*w {
			t.Errorf("arctan(1/%d): off by %v, bound %d", m, d, bound)
		}
	}
	fineP, fineQ := piBounds(4000)
	for w := uint(0); w < 400; w += 7 {
		p, q := piBounds(w)
		if p.Cmp(new(big.Int).Rsh(fineP, 4000-w)) > 0 || q.Cmp(new(big.Int).Rsh(fineQ, 4000-w)) < 0 ||
			new(big.Int).Sub(q, p).Int64() > 2 {
			t.Errorf("pi 2^%d in [%v, %v]", w, p, q)
		}
	}
}

func BenchmarkPhi(b *testing.B) {
	for _, x := range []float64{1, -5, -30} {
		b.Run(big.NewFloat(x).String(), func(b *testing.B) {
			for b.Loop() {
				Phi(Point(big.NewFloat(x), 128))
			}
		})
	}
}
