package quant

import (
	"math"
	"math/rand/v2"
	"os"
)

// audit chooses the small size of a test, or its full size when DPATTN_AUDIT is set.
func audit(small, full int) int {
	if os.Getenv("DPATTN_AUDIT") != "" {
		return full
	}
	return small
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// length is the Euclidean length of finite numbers of ordinary size.
func length(v []float64) float64 {
	sum := 0.0
	for _, e := range v {
		sum += e * e
	}
	return math.Sqrt(sum)
}

// hostile fills v with what a caller might send, by kind: ordinary numbers of length around bound, lengths of bound +-1 unit in the last
// place, all coordinates equal, any bit pattern, extremes.
func hostile(rng *rand.Rand, v []float64, bound float64) {
	extremes := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, math.MaxFloat64, 5e-324, -5e-324, 1e-310, 0x1p-1022, 0, math.Copysign(0, -1), -math.MaxFloat64}
	kind := rng.IntN(8)
	for i := range v {
		switch kind {
		case 0, 1, 2:
			v[i] = rng.NormFloat64()
		case 3:
			v[i] = 1
		case 4:
			v[i] = -1
		case 5:
			v[i] = math.Float64frombits(rng.Uint64())
		case 6:
			v[i] = extremes[rng.IntN(len(extremes))]
		case 7: // an extreme among ordinary numbers
			v[i] = rng.NormFloat64()
			if rng.IntN(len(v)) == 0 {
				v[i] = extremes[rng.IntN(len(extremes))]
			}
		}
	}
	if kind > 4 {
		return
	}
	l := length(v)
	goal := bound
	switch rng.IntN(6) {
	case 0:
		goal = math.Nextafter(bound, 0)
	case 1:
		goal = math.Nextafter(bound, math.Inf(1))
	case 2:
		goal = bound * rng.Float64() * 1.5
	case 3:
		goal = bound * math.Exp(200*rng.NormFloat64())
	}
	for i := range v {
		v[i] = v[i] / l * goal
	}
}

func finite(v []float64) bool {
	for _, e := range v {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return false
		}
	}
	return true
}
