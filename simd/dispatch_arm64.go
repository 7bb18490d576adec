package simd

import "unsafe"

// available lists what this processor has, best first. Go runs on no arm64 processor that lacks
// NEON.
func available() []*kernels { return []*kernels{&neon, &generic} }

// gemvTile takes one query and a fixed number of groups of 16 columns.
type gemvTile func(out, psi, body *float32, rows, stride int)

func gemvVectors(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	groups := wide / 16
	tile := max(1, evenly(groups, len(gemvsNEON)-1))
	for range queries {
		for i := 0; i < groups; i += tile {
			gemvsNEON[min(tile, groups-i)](index(out, 16*i), psi, index(body, 16*i), rows, 4*wide)
		}
		for c := range narrow {
			gemvNEONOne(index(out, wide+c), psi, index(tail, c), rows, 4*narrow)
		}
		out, psi = index(out, wide+narrow), index(psi, step)
	}
}

// nearestVectors lays pairs of six rows side by side, as many as the stack has room for at a time.
func nearestVectors(best, keys *int64, panel *int32, u *int16, pairs, stride int) {
	const rows, most = 6, 128
	var sums [rows * Lanes]int64
	var right [most * rows][2]int16
	words := unsafe.Slice(panel, pairs*Lanes)
	for from := 0; from < pairs; from += most {
		n := min(most, pairs-from)
		for r := range rows {
			for p, row := 0, row16(u, r*stride+4*from, 2*n); p < n; p++ {
				right[p*rows+r] = [2]int16(row[2*p:])
			}
		}
		tileNEON6(&sums[0], &words[from*Lanes], &right[0][0], n)
	}
	highest(best, keys, sums[:])
	clear(sums[:]) // they are secret
	clear(right[:])
}

func gemmVectors(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	productsNEON(psi, factors, rows, f, g, lanes)
	gemmTiles(gemmsNEON, out, psi, body, tail, rows, wide, narrow, lanes)
}
