package gaussian

import (
	"dpattn/core/mechanism"
	"dpattn/core/quant"
)

// CountRow counts what became of a row's key and value, and reports whether the row is bad: it has
// NaN or Inf, and must contribute nothing.
func CountRow(counts *mechanism.Diagnostics, key, value quant.Outcome) (bad bool) {
	counts.Rows++
	if key == quant.Bad || value == quant.Bad {
		counts.RowsZeroed++
		return true
	}
	if key == quant.Clipped {
		counts.KeysClipped++
	}
	if value == quant.Clipped {
		counts.ValuesClipped++
	}
	return false
}
