package dptree

import (
	"dpattn/core/fault"
	"dpattn/core/internal/memory"
	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
)

// Heads is everything public that follows from the Params of several CrossAttentions that see the
// same units, one for each head of an attention layer, and share one budget. It is immutable.
//
// The argument is that of one structure (PROOF.md): a unit has rows in every head, and so is seen
// by the mechanisms of all heads. They are one composition, of heads times as many mechanisms.
type Heads struct{ d *design }

// NewHeads checks p, the parameters of each of the heads, of which there is one at least, and that
// exact sums and release of all of them fit the memory.
func NewHeads(p Params, heads int) (*Heads, error) {
	d, err := newDesign(kindAttention, p)
	if err != nil {
		return nil, err
	}
	d.heads = heads
	if err := d.fits(); err != nil {
		return nil, err
	}
	need := uint64(heads) * (d.bytes() + d.secretBytes())
	return &Heads{d}, memory.Fits("params: the exact sums and noisy integers of all heads", need)
}

// Params are those of one head, with defaults filled in.
func (h *Heads) Params() Params { return h.d.Params }

// Features is r.
func (h *Heads) Features() int { return h.d.coords }

// Coefficients are those of the polynomial, c_0..c_s. Read-only.
func (h *Heads) Coefficients() []float64 { return h.d.basis.coeff }

// PolynomialError is the relative error of the polynomial on [0, R^2].
func (h *Heads) PolynomialError() float64 { return h.d.basis.err }

// Bytes is the size of the noisy integers of all heads.
func (h *Heads) Bytes() uint64 { return uint64(h.d.heads) * h.d.bytes() }

// SecretBytes is the size of the exact sums of all heads.
func (h *Heads) SecretBytes() uint64 { return uint64(h.d.heads) * h.d.secretBytes() }

// Round rounds one row to Dim + ValueDim integers, a function of that row alone, and says what
// became of it. It is for callers that keep rows before they add them (AddRounded). The caller runs
// it in a fixed floating-point mode (simd.Plain).
func (h *Heads) Round(key, value []float64, dst []int16) Outcome {
	return h.d.round(key, value, dst)
}

// Rounded reports whether Round can have given these integers.
func (h *Heads) Rounded(row []int16) bool { return h.d.rounded(row) }

// Clip brings the entries of a query, of Dim numbers without NaN, into [0, R], in place, for
// AttendClipped.
func (h *Heads) Clip(query []float64) (clipped bool) {
	clipped, _ = h.d.clipQuery(query)
	return clipped
}

// Compatible reports whether builders of both may be merged.
func (h *Heads) Compatible(o *Heads) bool { return h.d.heads == o.d.heads && h.d.compatible(o.d) }

// NewBuilder makes an empty builder of one head. SECRET.
func (h *Heads) NewBuilder() (*AttentionBuilder, error) { return h.d.newBuilder() }

// Release spends the budget on all heads at once: builders has one of NewBuilder for each head. It
// consumes none of them, so that on an error, cancelling included, everything is as it was: when it
// has succeeded the caller must wipe them, for they must not be released twice.
func (h *Heads) Release(builders []*AttentionBuilder, budget privacy.Budget,
	report Report) (out []*CrossAttention, err error) {
	d := h.d
	if len(builders) != d.heads {
		return nil, fault.Invalid("builders has %d entries; it must have one for each of %d heads", len(builders),
			d.heads)
	}
	g, err := d.calibrate(budget)
	if err != nil {
		return nil, err
	}
	if err := memory.Fits("release: the noisy integers of all heads", h.Bytes()); err != nil {
		return nil, err
	}
	complete := false
	defer func() {
		if complete {
			return
		}
		for _, t := range out {
			t.f.clear()
		}
		out = nil
	}()
	each := 2 * d.total()
	for i, b := range builders {
		if b.s == nil {
			return out, errSpent
		}
		if b.d != d {
			return out, fault.New(fault.Mismatch, "builders[%d] is of other heads", i)
		}
		var part Report
		if report != nil {
			part = func(done, _ uint64) bool { return report(uint64(i)*each+done, uint64(d.heads)*each) }
		}
		f, err := b.s.noisy(g, kernelNoise, part)
		if err != nil {
			return out, err
		}
		out = append(out, &CrossAttention{&released{f: f}})
	}
	complete = true
	return out, nil
}

// Estimate works out a release of all heads; bytes, numbers and seconds are those of one of them.
func (h *Heads) Estimate(budget privacy.Budget) (EstimateResult, error) { return h.d.estimate(budget) }

// Possible reports why a release with this budget cannot be; nil if it can.
func (h *Heads) Possible(budget privacy.Budget) error {
	_, err := h.d.calibrate(budget)
	return err
}

// Encode writes the design. What follows it in a file is a release (EncodeState) or secret sums.
func (h *Heads) Encode(w *wire.Writer) { h.d.encode(w) }

// DecodeHeads reads what Encode wrote. bare says that what follows need not have numbers of the
// size that the design names.
func DecodeHeads(r *wire.Reader, heads int, bare bool) (*Heads, error) {
	d, err := decodeDesign(r, kindAttention, bare)
	if err != nil {
		return nil, err
	}
	d.heads = heads
	return &Heads{d}, nil
}

// StateLen is how many bytes EncodeState writes.
func (h *Heads) StateLen() uint64 {
	return uint64(h.d.guaranteeLen()) + uint64(h.d.heads)*(8+h.d.bytes())
}

// EncodeState writes what Release made. PUBLIC.
func (h *Heads) EncodeState(w *wire.Writer, released []*CrossAttention) {
	released[0].f.guarantee.encode(w)
	for _, t := range released {
		t.f.encode(w)
	}
}

// DecodeState reads what EncodeState wrote, to the end of the file. One that claims a guarantee its
// own noise does not give, or another than budget, is refused.
func (h *Heads) DecodeState(r *wire.Reader, budget privacy.Budget) ([]*CrossAttention, error) {
	g, err := h.d.decodeGuarantee(r)
	if err != nil {
		return nil, err
	}
	if g.budget != budget {
		return nil, wire.Corrupt("it names two budgets")
	}
	forests, err := h.d.decodeForests(r, g, h.d.heads)
	if err != nil {
		return nil, err
	}
	out := make([]*CrossAttention, len(forests))
	for i, f := range forests {
		out[i] = &CrossAttention{&released{f: f}}
	}
	return out, nil
}
