package simd

import "unsafe"

func runsGeneric(dst, f, g *float32, nodes *int32, count, dim int) {
	for p, n := range unsafe.Slice((*node)(unsafe.Pointer(nodes)), count) {
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

func productsGeneric(dst *float32, factors *int32, count int, f, g *float32, lanes int) {
	for i, n := range unsafe.Slice((*factor)(unsafe.Pointer(factors)), count) {
		out := unsafe.Slice(index(dst, i*lanes), lanes)
		a, b := unsafe.Slice(index(f, int(n.f)*lanes), lanes), unsafe.Slice(index(g, int(n.g)*lanes), lanes)
		for q := range out {
			out[q] = a[q] * b[q]
		}
	}
}

func gemvGeneric(out, psi, body, tail *float32, rows, wide, narrow, queries, step int) {
	left, right := unsafe.Slice(body, rows*wide), unsafe.Slice(tail, rows*narrow)
	for q := range queries {
		sums := unsafe.Slice(index(out, q*(wide+narrow)), wide+narrow)
		for i, p := range unsafe.Slice(index(psi, q*step), rows) {
			for c, s := range left[i*wide : (i+1)*wide] {
				sums[c] += float32(p * s)
			}
			for c, s := range right[i*narrow : (i+1)*narrow] {
				sums[wide+c] += float32(p * s)
			}
		}
	}
}

func gemmGeneric(out, psi *float32, factors *int32, f, g, body, tail *float32, rows, wide, narrow, lanes int) {
	productsGeneric(psi, factors, rows, f, g, lanes)
	left, right := unsafe.Slice(body, rows*wide), unsafe.Slice(tail, rows*narrow)
	for i := range rows {
		a := unsafe.Slice(index(psi, i*lanes), lanes)
		for c := range wide + narrow {
			s := float32(0)
			if c < wide {
				s = left[i*wide+c]
			} else {
				s = right[i*narrow+c-wide]
			}
			sums := unsafe.Slice(index(out, c*lanes), lanes)
			for q, p := range a {
				sums[q] += float32(p * s)
			}
		}
	}
}

func round32Generic(dst *float32, src *float64, n int, factor float64) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = float32(v * factor)
	}
}

func gatherGeneric(dst *float64, src *float32, n, parts int) {
	out, all := unsafe.Slice(dst, n), unsafe.Slice(src, parts*n)
	for i := range out {
		out[i] = float64(all[i])
		for p := 1; p < parts; p++ {
			out[i] += float64(all[p*n+i])
		}
	}
}
