//go:build !amd64 && !arm64

package simd

// Plain runs work. Other architectures have no kernels and no known hosts that change the mode.
func Plain(work func()) { work() }
