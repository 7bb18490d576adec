package core

import (
	"bytes"
	"crypto/rand"
	"io"

	"dpattn/core/fault"
	"dpattn/core/internal/wire"
)

// maxOrigins is how many origins one builder may have.
const maxOrigins = 1 << 20

// origin is the random name of the rows that a builder held when it was exported for the first
// time.
type origin [16]byte

func (o origin) compare(p origin) int { return bytes.Compare(o[:], p[:]) }

// origins is the set of origins of a builder, in ascending order. Files of partials carry it;
// releases carry nothing of it.
//
// Two builders hold a row in common (one that was given to Add once; equal rows that were given
// apart are two) exactly if they have an origin in common:
//
//   - Rows are copied in no way but by a file. When a builder with rows is exported it has an
//     origin, from earlier or drawn for this file, and the file has all of its origins. Import and
//     Merge carry rows and origins on together, and who still holds rows loses no origin. So all
//     who hold a row that was ever copied have the origins that its builder had at the first copy,
//     and that is at least one.
//   - An origin is 128 fresh bits, drawn once by a builder with rows, and goes only where all rows
//     go that this builder held then.
//
// So Merge, which refuses an origin in common, adds no row twice; and it refuses nothing else, but
// for a chance of n^2/2^129 among n origins.
type origins []origin

// union is both sets in memory of its own; apart is false if they have an origin in common.
func (s origins) union(t origins) (all origins, apart bool) {
	all = make(origins, 0, len(s)+len(t))
	for len(s) > 0 && len(t) > 0 {
		switch c := s[0].compare(t[0]); {
		case c == 0:
			return nil, false
		case c < 0:
			all, s = append(all, s[0]), s[1:]
		default:
			all, t = append(all, t[0]), t[1:]
		}
	}
	return append(append(all, s...), t...), true
}

// joint is the origins of into and from together, which are about to be merged.
func joint(into, from *Builder) (origins, error) {
	all, apart := into.origins.union(from.origins)
	if !apart {
		return nil, fault.Invalid(
			"from: it holds rows of a partial that into has already; each partial may be merged once")
	}
	if len(all) > maxOrigins {
		return nil, fault.New(fault.Limit, "from: together the builders would have rows of more than %d partials",
			maxOrigins)
	}
	return all, nil
}

// holdsRows reports whether any head was given rows. Without, a builder needs no origin, and its
// partial may be a template for many.
func (b *Builder) holdsRows() bool {
	for h := range b.mechanism.Params().Heads {
		if b.sums.Rows(h) > 0 {
			return true
		}
	}
	return false
}

// drawOrigin makes sure that rows which are about to leave have an origin.
func (b *Builder) drawOrigin() error {
	if len(b.origins) > 0 || !b.holdsRows() {
		return nil
	}
	var o origin
	if _, err := io.ReadFull(rand.Reader, o[:]); err != nil {
		return fault.NoEntropy(err, "nothing was exported")
	}
	b.origins = origins{o}
	return nil
}

// originsLen is how many bytes the origins take in the builder's next partial.
func (b *Builder) originsLen() int {
	n := len(b.origins)
	if n == 0 && b.holdsRows() {
		n = 1 // it is drawn when the partial is written
	}
	return 8 + len(origin{})*n
}

func (s origins) encode(w *wire.Writer) {
	w.U64(uint64(len(s)))
	for _, o := range s {
		w.Raw(o[:])
	}
}

// decodeOrigins reads what encode wrote. Nothing is allocated before it is known to be within the
// limit, and there.
func decodeOrigins(r *wire.Reader) (origins, error) {
	n := r.U64()
	if n > maxOrigins {
		return nil, fault.New(fault.Limit, "data: it has rows of %d partials; a builder may have those of %d", n,
			maxOrigins)
	}
	if r.Short || n > uint64(len(r.Buf)/len(origin{})) {
		return nil, wire.Corrupt("it ends within its origins")
	}
	s := make(origins, n)
	for i := range s {
		copy(s[i][:], r.Take(len(s[i])))
		if i > 0 && s[i-1].compare(s[i]) >= 0 {
			return nil, wire.Corrupt("its origins are not in ascending order")
		}
	}
	return s, nil
}
