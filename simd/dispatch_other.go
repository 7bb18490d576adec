//go:build !amd64 && !arm64

package simd

// available lists what this processor has, best first.
func available() []*kernels { return []*kernels{&generic} }
