package noise

import (
	"fmt"
	"testing"
)

// BenchmarkGaussian draws 2^20 coordinates a round. At sigma = 2^53 - 1 a quarter
// of them needs a second word.
func BenchmarkGaussian(b *testing.B) {
	dst := make([]int64, 1<<20)
	for _, sigma := range []uint64{1 << 10, 1<<31 - 1, MaxSigma - 1} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("sigma=%d/threads=%d", sigma, threads), func(b *testing.B) {
				for b.Loop() {
					if err := Gaussian(dst, sigma, threads); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(dst))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
			})
		}
	}
}

// BenchmarkCall is the price of a call with little to draw.
func BenchmarkCall(b *testing.B) {
	dst := make([]int64, 64)
	for b.Loop() {
		if err := Gaussian(dst, 1<<31, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLaplace(b *testing.B) {
	dst := make([]int64, 1<<16)
	b.SetBytes(int64(8 * len(dst)))
	for b.Loop() {
		if err := Laplace(dst, TruncatedLaplace{Num: 1<<40 + 12345, Den: 1, Support: 1 << 45}, 1); err != nil {
			b.Fatal(err)
		}
	}
}
