//go:build amd64 || arm64

package simd

// gemmTile takes 16 queries and a fixed number of columns; queries' rows in psi and out are lanes
// bytes apart.
type gemmTile func(out, psi, state *float32, rows, stride, lanes int)

// gemmTiles is gemm, once psi is there, by tiles; list is by number of columns.
func gemmTiles(list []gemmTile, out, psi, body, tail *float32, rows, wide, narrow, lanes int) {
	for _, part := range [...]struct {
		state *float32
		cols  int
	}{{body, wide}, {tail, narrow}} {
		tile := evenly(part.cols, len(list)-1)
		for q := 0; q < lanes; q += 16 {
			for c := 0; c < part.cols; c += tile {
				gemm := list[min(tile, part.cols-c)]
				gemm(index(out, c*lanes+q), index(psi, q), index(part.state, c), rows, 4*part.cols, 4*lanes)
			}
		}
		out = index(out, part.cols*lanes)
	}
}
