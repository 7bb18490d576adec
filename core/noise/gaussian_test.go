package noise

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
)

// TestThreads: the result is a function of entropy, length and sigma only, and
// a longer dst continues a shorter one.
func TestThreads(t *testing.T) {
	long := make([]int64, 60000)
	if err := gaussian(long, 1<<40, 1, seeded(1)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, blockSize - 1, blockSize, blockSize + 1, 3 * blockSize, len(long)} {
		for _, threads := range []int{1, 2, 3, 8, 1000} {
			dst := make([]int64, n)
			if err := gaussian(dst, 1<<40, threads, seeded(1)); err != nil {
				t.Fatal(err)
			}
			// The last block of a shorter dst is a beginning of the whole block.
			if !slices.Equal(dst, long[:n]) {
				t.Errorf("length %d on %d threads differs", n, threads)
			}
		}
	}
	other := make([]int64, len(long))
	if err := gaussian(other, 1<<40, 1, seeded(2)); err != nil {
		t.Fatal(err)
	}
	if i := repeated(long, other); i >= 0 {
		t.Errorf("different entropy, same draw at %d", i)
	}
	if i := repeated(long[:blockSize], long[blockSize:2*blockSize]); i >= 0 {
		t.Errorf("different blocks, same draw at %d", i)
	}
}

// repeated returns an index at which a and b agree, or -1. For independent draws
// at sigma = 2^40 one pair agrees with a chance of 1/(2 sqrt(pi) sigma) = 2.6e-13, and
// 60000 pairs with 1.6e-8.
func repeated(a, b []int64) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			return i
		}
	}
	return -1
}

// TestFreshEntropy: calls do not repeat each other, in a row or at the same time.
// 64*20 runs of 4 draws at sigma = 2^53 agree by chance with less than 1e-50.
func TestFreshEntropy(t *testing.T) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[[4]int64]bool)
	for range 64 {
		wg.Go(func() {
			for range 20 {
				var dst [4]int64
				if err := Gaussian(dst[:], MaxSigma, 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if seen[dst] {
					t.Error("a call repeats another")
				}
				seen[dst] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

type failing struct{ err error }

func (r failing) Read([]byte) (int, error) { return 0, r.err }

// TestEntropyFailure: no entropy, too little, or a failure after a part of it: an
// error, and dst as it was.
func TestEntropyFailure(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		r    io.Reader
		want error
	}{
		{bytes.NewReader(nil), io.EOF},
		{bytes.NewReader(make([]byte, seedBytes-1)), io.ErrUnexpectedEOF},
		{failing{broken}, broken},
		{io.MultiReader(bytes.NewReader(make([]byte, seedBytes-1)), failing{broken}), broken},
	} {
		dst := slices.Repeat([]int64{77}, 3*blockSize)
		err := gaussian(dst, 1<<20, 2, c.r)
		if !errors.Is(err, c.want) {
			t.Errorf("error %v, want %v", err, c.want)
		}
		if slices.Min(dst) != 77 || slices.Max(dst) != 77 {
			t.Errorf("%v: dst has changed", err)
		}
	}

	// The public function reads crypto/rand.Reader and nothing else.
	defer func(r io.Reader) { rand.Reader = r }(rand.Reader)
	rand.Reader = failing{broken}
	dst := []int64{77}
	if err := Gaussian(dst, 1, 1); !errors.Is(err, broken) || dst[0] != 77 {
		t.Errorf("Gaussian without entropy: %v, dst %v", err, dst)
	}
}

// TestArguments: refused before any entropy is read.
func TestArguments(t *testing.T) {
	for _, c := range []struct {
		sigma   uint64
		threads int
	}{{0, 1}, {MaxSigma + 1, 1}, {1<<64 - 1, 1}, {1, 0}, {1, -1}} {
		dst := []int64{77}
		r := &spy{Reader: seeded(1)}
		if err := gaussian(dst, c.sigma, c.threads, r); err == nil || dst[0] != 77 || len(r.seen) != 0 {
			t.Errorf("%+v: error %v, dst %v, %d reads", c, err, dst, len(r.seen))
		}
	}
	if err := Gaussian(nil, 1, 1); err != nil {
		t.Error(err)
	}
}
