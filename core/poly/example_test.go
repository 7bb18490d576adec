package poly_test

import (
	"fmt"

	"dpattn/core/poly"
)

// The best cubic for e^x on [-2, 2], in relative error, beside Taylor's.
func ExampleExp() {
	for _, kind := range []poly.Kind{poly.Minimax, poly.Taylor} {
		p, err := poly.Exp(kind, 3, 2)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("p(0) = %.3f, p(-2) = %.3f, relative error %.3f\n", p.At(0), p.At(-2), p.RelativeError)
	}
	// Output:
	// p(0) = 1.001, p(-2) = 0.126, relative error 0.071
	// p(0) = 1.000, p(-2) = -0.333, relative error 3.463
}

// The number of coordinates of the feature map for head dimension 64.
func ExampleFeatures() {
	for degree := 1; degree <= 4; degree++ {
		n, err := poly.Features(64, degree)
		fmt.Println(degree, n, err)
	}
	// Output:
	// 1 65 <nil>
	// 2 2145 <nil>
	// 3 47905 <nil>
	// 4 814385 <nil>
}

// The share of each degree in the norm of a key's features: the squares add up to 1.
func ExampleBlockWeights() {
	p, err := poly.Exp(poly.Taylor, 2, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	beta := poly.BlockWeights(p)
	sum := 0.0
	for _, b := range beta {
		sum += b * b
	}
	fmt.Printf("%.4f, squares %.4f\n", beta, sum)
	fmt.Println("the kernel is never negative:", poly.KernelNonNegative(beta))
	// Output:
	// [0.6325 0.6325 0.4472], squares 1.0000
	// the kernel is never negative: true
}
