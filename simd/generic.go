package simd

import "unsafe"

var generic = kernels{
	name: "generic",

	scale: scaleGeneric, lift: liftGeneric, pack: packGeneric, packs: 1, gen: genGeneric, tiles: tilesGeneric(),

	runs: runsGeneric, products: productsGeneric, gemv: gemvGeneric, gemm: gemmGeneric,
	round32: round32Generic, gather: gatherGeneric,
	squares32: squares32Generic, round16x32: round16x32Generic, add16: add16Generic,
	turn: turnGeneric, largest: largestGeneric, weigh: weighGeneric, weighOne: weighOneGeneric,

	widen: widenGeneric, squares: squaresGeneric, norm16: norm16Generic,
	multiply: multiplyGeneric, hadamard: hadamardGeneric, round16: round16Generic,

	nearest: nearestGeneric,
}

func tilesGeneric() []tileFunc {
	tiles := make([]tileFunc, 17)
	for w := range tiles {
		tiles[w] = func(sums *int64, panel *int32, u *int16, pairs int) { tileGeneric(w, sums, panel, u, pairs) }
	}
	return tiles
}

// row16 is n numbers, bytes beyond p.
func row16(p *int16, bytes, n int) []int16 {
	return unsafe.Slice((*int16)(unsafe.Add(unsafe.Pointer(p), bytes)), n)
}

func scaleGeneric(dst, src *int16, gain int16, rows, stride, n int) {
	for r := range rows {
		d := row16(dst, r*stride, n)
		for i, v := range row16(src, r*stride, n) {
			d[i] = mulhrs(v, gain)
		}
	}
}

func liftGeneric(dst, f, x *int16, nodes *int32, lifts *int32, rows, stride, n int) {
	for r, node := range unsafe.Slice((*node)(unsafe.Pointer(nodes)), rows) {
		d, b := row16(dst, r*stride, n), row16(x, int(node.last)*stride, n)
		lift := *(*int32)(unsafe.Add(unsafe.Pointer(lifts), 4*int(node.run)))
		for i, v := range row16(f, int(node.parent)*stride, n) {
			d[i] = lifted(v, b[i], lift)
		}
	}
}

func packGeneric(dst, src *int16, dims, rowBytes, stride int) {
	for i := range 2 * step {
		for j, v := range row16(src, i*rowBytes, dims) {
			row16(dst, j*stride, 2*step)[i] = v
		}
	}
}

func genGeneric(dst *int32, at *[2 * step]int, f, g *int16, pairs int, norms *uint32) {
	out := unsafe.Slice((*int16)(unsafe.Pointer(dst)), (pairs-1)*2*Lanes+2*step)
	sums := unsafe.Slice(norms, 2*pairs)
	for i := range step {
		a, b := row16(f, at[2*i], 2*pairs), row16(g, at[2*i+1], 2*pairs)
		for p := range pairs {
			even, odd := mulhrs(a[2*p], b[2*p]), mulhrs(a[2*p+1], b[2*p+1])
			out[p*2*Lanes+2*i], out[p*2*Lanes+2*i+1] = even, odd
			e := uint32(int32(even) * int32(even))
			sums[p/step*2*step+p%step] += e
			sums[p/step*2*step+step+p%step] += e + uint32(int32(odd)*int32(odd))
		}
	}
}

func tileGeneric(width int, sums *int64, panel *int32, u *int16, pairs int) {
	out := unsafe.Slice(sums, width*Lanes)
	phi := unsafe.Slice((*int16)(unsafe.Pointer(panel)), pairs*2*Lanes)
	right := unsafe.Slice(u, pairs*2*width)
	for c := range width {
		var sum [Lanes]int32
		for p := range pairs {
			a, b := int32(right[(p*width+c)*2]), int32(right[(p*width+c)*2+1])
			row := (*[2 * Lanes]int16)(phi[p*2*Lanes:])
			for i := range sum {
				sum[i] += int32(row[2*i])*a + int32(row[2*i+1])*b
			}
		}
		for i, v := range sum {
			out[c*Lanes+i] += int64(v)
		}
	}
}
