package noise

import "math/bits"

// A word of a trial, from the top: boxBits bits for the box, xBits bits of x,
// one bit for the sign.
const (
	xBits = 63 - boxBits
	xMask = 1<<xBits - 1
)

// fill sets every element of dst to an independent draw of round(N(0, sigma^2)),
// by trials on the words of s until one is accepted.
func (t *table) fill(dst []int64, sigma uint64, s *stream) {
	for i := 0; i < len(dst); {
		w := s.next()
		box, x := w>>(64-boxBits), w>>1&xMask
		var m uint64
		if box < t.inside {
			// round, by hand: it is too long for the compiler to inline.
			var rest uint64
			m, rest = scale(sigma, uint64(t.cell[box]), x)
			if rest+sigma > roundUnit {
				m += carry(roundUnit-rest, sigma, nil, s)
			}
		} else {
			var ok bool
			if m, ok = t.outer(sigma, box, x, s); !ok {
				continue
			}
		}
		sign := -(w & 1) // 0 or all ones
		dst[i] = int64((m ^ sign) - sign)
		i++
	}
}

// outer finishes a trial that fell in an edge box or in the tail.
//
//go:noinline
func (t *table) outer(sigma, box, x uint64, s *stream) (m uint64, ok bool) {
	if box == 1<<boxBits-1 {
		return tail(sigma, x, s)
	}
	e := t.edges[box-t.inside]
	u := s.next()
	switch t.judge(e, x, u) {
	case under:
		return round(sigma, uint64(e.cell), x, nil, s), true
	case over:
		return 0, false
	}
	p := point{uint64(e.cell), uint64(e.level), boxHeightScale}
	ok, drawn := p.decide(newDigits(x, xBits), newDigits(u, 64), s)
	if !ok {
		return 0, false
	}
	return round(sigma, uint64(e.cell), x, drawn, s), true
}

// tail finishes a trial that fell in the last box. Its area is that of any box,
// a = boxHeight/2^32/32. A share 1/16 of it is spread over the columns
//
//	z in [k, k+1),   k = 5 + i,   i = 0, 1, 2, ...
//
// with shares 2^-(i+1), so that a column has the height
//
//	2^-(i+1) a/16 = boxHeight / 2^(42+i)  =  4.9e-6 / 2^i,
//
// no less than f(k) <= f(5) exp(-5i) = 3.8e-6 exp(-5i). The remaining 15/16 lie
// above the curve and are rejected at once.
func tail(sigma, x uint64, s *stream) (m uint64, ok bool) {
	w := s.next()
	if w>>60 != 0 {
		return 0, false
	}
	q := w & (1<<cellBits - 1) // the cell of the column: z = k + (q+x)/32
	var i uint64               // zero bits before the first one, over words
	for n := 64; n == 64; i += uint64(n) {
		n = bits.LeadingZeros64(s.next())
	}
	k := tailStart + i
	p := point{k<<cellBits + q, 0, uint(boxHeightScale + 10 + i)}
	ok, drawn := p.decide(newDigits(x, xBits), newDigits(s.next(), 64), s)
	if !ok {
		return 0, false
	}
	return sigma*k + round(sigma, q, x, drawn, s), true
}

// round returns floor(sigma (j+x)/32 + 1/2), for sigma <= MaxSigma, j < cells
// and the x that begins with the xBits bits x and goes on with the words of
// drawn and then of s, as far as they are needed.
func round(sigma, j, x uint64, drawn []uint64, s *stream) uint64 {
	m, rest := scale(sigma, j, x)
	if rest+sigma > roundUnit {
		m += carry(roundUnit-rest, sigma, drawn, s)
	}
	return m
}

// roundUnit is 1 in the fixed point of scale.
const roundUnit = 1 << (xBits + cellBits)

// scale splits what is known of the number to be rounded down into its integer
// part m and the rest: with X the first 50 bits of x and x' in [0, 1) the others,
//
//	sigma (j+x)/32 + 1/2 = (sigma (2^50 j + X) + 2^54 + sigma x') / 2^55
//	                     = m + (rest + sigma x') / 2^55,   0 <= rest < 2^55.
//
// So m is the floor when rest + sigma <= 2^55, whatever x' is. Otherwise it is m
// or m+1, as sigma < 2^55.
func scale(sigma, j, x uint64) (m, rest uint64) {
	const shift = xBits + cellBits
	hi, lo := bits.Mul64(sigma, j<<xBits|x) // below 2^111
	lo, c := bits.Add64(lo, roundUnit/2, 0)
	hi += c
	return hi<<(64-shift) | lo>>shift, lo & (roundUnit - 1)
}

// carry returns 1 if sigma v >= d and 0 otherwise, for 1 <= d < sigma and the v of
// [0, 1) whose words are those of drawn, then those of s. With w the first word
// and v = (w + v1)/2^64, the question is whether sigma v1 >= 2^64 d - sigma w. Yes
// if the right-hand side is not positive, no if it is at least sigma; else it is
// the same question about v1.
//
//go:noinline
func carry(d, sigma uint64, drawn []uint64, s *stream) uint64 {
	for {
		var w uint64
		if len(drawn) > 0 {
			w, drawn = drawn[0], drawn[1:]
		} else {
			w = s.next()
		}
		hi, lo := bits.Mul64(sigma, w)
		lo, b := bits.Sub64(0, lo, 0)
		hi, b = bits.Sub64(d, hi, b)
		switch {
		case b == 1 || hi|lo == 0:
			return 1
		case hi != 0 || lo >= sigma:
			return 0
		}
		d = lo
	}
}
