//go:build !amd64

package probe

// There are no probes for this processor yet; the benchmark writes null.
func loops() []Loop { return nil }

func widest() reader { return nil }
