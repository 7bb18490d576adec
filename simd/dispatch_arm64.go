package simd

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

func gemmVectors(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	productsNEON(psi, factors, rows, f, g, lanes)
	gemmTiles(gemmsNEON, out, psi, body, tail, rows, wide, narrow, lanes)
}
