package probe

import (
	"testing"
	"time"
)

func TestProbes(t *testing.T) {
	for _, l := range loops() {
		if r := l.Rate(1, time.Millisecond); r < 1e8 || r > 1e13 {
			t.Errorf("%s: %g multiply-adds a second", l.Name, r)
		}
	}
	if !CanRead() {
		t.Skip("no probe reads here")
	}
	for _, bytes := range []int{1, 1 << 14, 1<<20 + 512} {
		if r := Read(bytes, 2, time.Millisecond); r < 1e8 || r > 1e14 {
			t.Errorf("%d bytes: %g bytes a second", bytes, r)
		}
	}
}
