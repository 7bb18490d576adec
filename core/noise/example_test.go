package noise_test

import (
	"fmt"
	"slices"

	"dpattn/core/noise"
)

// Noise differs from call to call. The mean square of a million draws is sigma^2 up to 3 %:
// 21 of its standard deviations, so that the chance of more is below 1e-20.
func ExampleGaussian() {
	dst := make([]int64, 1_000_000)
	if err := noise.Gaussian(dst, 1000, 2); err != nil {
		fmt.Println(err)
		return
	}
	square := 0.0
	for _, m := range dst {
		square += float64(m) * float64(m)
	}
	square /= float64(len(dst))
	fmt.Println(square > 0.97e6 && square < 1.03e6)
	// Output:
	// true
}

// Truncated noise never leaves its support.
func ExampleLaplace() {
	distribution := noise.TruncatedLaplace{Num: 5, Den: 2, Support: 12} // lambda = 2.5
	dst := make([]int64, 1000)
	if err := noise.Laplace(dst, distribution, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(slices.Min(dst) >= -12 && slices.Max(dst) <= 12)
	// Output:
	// true
}

func ExampleTruncatedLaplace_Validate() {
	fmt.Println(noise.TruncatedLaplace{Num: 5, Den: 2, Support: 12}.Validate())
	fmt.Println(noise.TruncatedLaplace{Num: 5, Den: 0, Support: 12}.Validate())
	// Output:
	// <nil>
	// noise: lambda = 5/0 must be a fraction of positive integers, the first at most 2^62
}
