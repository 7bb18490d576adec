package mechanism

import "dpattn/core/fault"

// Progress lets long work report and be cancelled. Report is called from the caller's goroutine;
// false cancels.
type Progress struct {
	Report func(done, total uint64) (goOn bool)
}

// Step reports and says whether to go on; p is nil or Fixed.
func (p *Progress) Step(done, total int) bool {
	return p == nil || p.Report(uint64(done), uint64(total))
}

// Fixed is a copy, so that a caller who changes p meanwhile does not change which way the work
// goes.
func (p *Progress) Fixed() *Progress {
	if p == nil || p.Report == nil {
		return nil
	}
	return &Progress{p.Report}
}

// parts is how many reports Parts makes.
const parts = 64

// Parts reports work whose amount is private, owners' rows for one: always the same reports, so
// that neither their number nor what they say tells how much there is.
type Parts struct {
	p                  *Progress
	first, size, total int
	made               int
}

// Parts makes the reports of work that stands for size of total, after first.
func (p *Progress) Parts(first, size, total int) *Parts {
	return &Parts{p: p, first: first, size: size, total: total}
}

// Step makes the reports that are due once so much of all is done, and says whether to go on. The
// last step must say that all is done.
func (r *Parts) Step(done, all int) bool {
	for r.made < parts && (done == all || float64(r.made+1)*float64(all) <= float64(done)*parts) {
		r.made++
		if !r.p.Step(r.first+int(float64(r.size)*float64(r.made)/parts), r.total) {
			return false
		}
	}
	return true
}

// ErrCancelled is the error of work that Progress has cancelled.
var ErrCancelled = fault.New(fault.Cancelled,
	"cancelled by the progress callback or the cancel flag; nothing was changed")

// Diagnostics counts what became of rows, over all heads. SECRET: exact functions of private data.
type Diagnostics struct {
	Rows          uint64 // rows given
	KeysClipped   uint64 // keys outside the bounds, clipped
	ValuesClipped uint64 // values outside the bounds, clipped
	RowsZeroed    uint64 // rows with NaN or Inf
	RowsShrunk    uint64 // rows that rounding took over the integer norm gate
	RowsDropped   uint64 // rows beyond OwnerRows of their owner
	Owners        uint64 // distinct owners, over all heads; filled in by Builder.Diagnostics
	OwnersClipped uint64 // of those, the ones whose rows add up to more than OwnerBound; likewise
}

// Add adds up counts.
func (d *Diagnostics) Add(o Diagnostics) {
	d.Rows += o.Rows
	d.KeysClipped += o.KeysClipped
	d.ValuesClipped += o.ValuesClipped
	d.RowsZeroed += o.RowsZeroed
	d.RowsShrunk += o.RowsShrunk
	d.RowsDropped += o.RowsDropped
	d.Owners += o.Owners
	d.OwnersClipped += o.OwnersClipped
}
