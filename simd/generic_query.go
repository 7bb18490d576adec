package simd

import "unsafe"

func runsGeneric(dst, f, g *float32, nodes *node, count, dim int) {
	for p, n := range unsafe.Slice(nodes, count) {
		last := int(n.last)
		a := *index(f, p)
		out, row := unsafe.Slice(dst, dim-last), unsafe.Slice(index(g, last), dim-last)
		for i, v := range row {
			out[i] = a * v
		}
		out[0] = a * *index(g, int(n.run)*dim+last)
		dst = index(dst, dim-last)
	}
}

func index(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i))
}

func productsGeneric(dst *float32, factors *factor, count int, f, g *float32, lanes int) {
	for i, n := range unsafe.Slice(factors, count) {
		out, a, b := unsafe.Slice(index(dst, i*lanes), lanes), unsafe.Slice(index(f, int(n.f)*lanes), lanes), unsafe.Slice(index(g, int(n.g)*lanes), lanes)
		for q := range out {
			out[q] = a[q] * b[q]
		}
	}
}

func gemvGeneric(out, psi, body, tail *float32, rows, wide, narrow int) {
	sums, left, right := unsafe.Slice(out, wide+narrow), unsafe.Slice(body, rows*wide), unsafe.Slice(tail, rows*narrow)
	for i, p := range unsafe.Slice(psi, rows) {
		for c, s := range left[i*wide : (i+1)*wide] {
			sums[c] += float32(p * s)
		}
		for c, s := range right[i*narrow : (i+1)*narrow] {
			sums[wide+c] += float32(p * s)
		}
	}
}

func gemmGeneric(out, psi, state *float32, rows, cols, lanes int) {
	values := unsafe.Slice(state, rows*cols)
	for i := range rows {
		a := unsafe.Slice(index(psi, i*lanes), lanes)
		for c, s := range values[i*cols : (i+1)*cols] {
			sums := unsafe.Slice(index(out, c*lanes), lanes)
			for q, p := range a {
				sums[q] += float32(p * s)
			}
		}
	}
}
