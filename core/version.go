package core

import (
	"encoding/json"
	"runtime"

	"dpattn/core/fault"
	"dpattn/core/internal/parallel"
	"dpattn/simd"
)

// version is the library's; include/dpattn.h has the same number and a test compares them.
const version = "0.1.0"

// Version returns "major.minor.patch".
func Version() string { return version }

// MaxThreads is the most that SetThreads takes.
const MaxThreads = 4096

// SetThreads bounds the goroutines of long work, process-wide; 0 means GOMAXPROCS. Results do not
// depend on it.
func SetThreads(n int) error {
	if n < 0 || n > MaxThreads {
		return fault.Invalid("threads is %d; it must be in 0..%d", n, MaxThreads)
	}
	parallel.SetThreads(n)
	return nil
}

// BuildInfo returns a JSON object that says what is running.
func BuildInfo() []byte {
	info, err := json.Marshal(struct {
		Version string   `json:"version"`
		Go      string   `json:"go"`
		OS      string   `json:"os"`
		Arch    string   `json:"arch"`
		SIMD    string   `json:"simd"`    // in use
		Kernels []string `json:"kernels"` // that this processor can use
		Threads int      `json:"threads"`
	}{version, runtime.Version(), runtime.GOOS, runtime.GOARCH, simd.Name(), simd.Available(), parallel.Threads()})
	if err != nil {
		panic(err)
	}
	return info
}
