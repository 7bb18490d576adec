//go:build amd64 || arm64

package simd

import "runtime"

// swapEnvironment sets the thread's floating-point control register (MXCSR, FPCR) and returns what
// it was.
func swapEnvironment(new uint32) (old uint32)

// Plain runs work with rounding to nearest and without flushing of subnormal numbers. A call from C
// runs on the host's thread, in whatever mode the host has set there (-ffast-math libraries flush
// subnormals); threads of the Go runtime inherit the mode of the thread that made them. Without
// this, how a row rounds would depend on the thread that the scheduler gave it.
func Plain(work func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := swapEnvironment(plainEnvironment)
	defer swapEnvironment(old)
	work()
}
