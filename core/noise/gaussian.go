package noise

import (
	"crypto/rand"
	"fmt"
	"io"

	"dpattn/core/internal/parallel"
)

// MaxSigma is the largest standard deviation that Gaussian serves.
const MaxSigma = 1 << 53

// blockSize is the number of coordinates drawn from one key stream.
const blockSize = 4096

// Gaussian fills dst with independent draws of round(N(0, sigma^2)), for an
// integer 1 <= sigma <= MaxSigma:
//
//	P(dst[i] = m) = Phi((m + 1/2)/sigma) - Phi((m - 1/2)/sigma)   for all integers m,
//
// with no error of floating point or truncation in these probabilities; PROOF.md
// has the proof and says what it assumes. An |m| of 2^63 and more would wrap
// modulo 2^64, as the sums do to which the noise is added; for that, |N(0, 1)|
// has to exceed 2^10, which has a chance below 2^-750000.
//
// Every call reads a fresh key from the kernel and no other call uses it. The
// work is spread over the given number of goroutines, at least 1. On an error,
// which a failed read of the kernel's randomness also is, dst is untouched. A
// panic of a worker arrives on the goroutine of the caller; dst is then partly
// filled and must not be used.
//
// The result is as secret as the data that it covers: whoever learns it can take
// it off the release.
func Gaussian(dst []int64, sigma uint64, threads int) error {
	return gaussian(dst, sigma, threads, rand.Reader)
}

// gaussian is Gaussian with its randomness as an argument. It is a function of
// the first 48 bytes of entropy, of len(dst) and of sigma, and not of threads.
func gaussian(dst []int64, sigma uint64, threads int, entropy io.Reader) error {
	if sigma < 1 || sigma > MaxSigma {
		return fmt.Errorf("noise: sigma = %d is not in [1, 2^53]", sigma)
	}
	t := boxes()
	return inBlocks(dst, threads, entropy, func(dst []int64, s *stream) { t.fill(dst, sigma, s) })
}

// inBlocks draws dst block by block, each from the stream of its number.
func inBlocks(dst []int64, threads int, entropy io.Reader, fill func(dst []int64, s *stream)) error {
	if threads < 1 {
		return fmt.Errorf("noise: threads = %d is below 1", threads)
	}
	src, err := newSource(entropy)
	if err != nil {
		return err
	}
	blocks := (len(dst) + blockSize - 1) / blockSize
	streams := make([]stream, min(threads, blocks))
	parallel.DoN(threads, blocks, func(worker, b int) {
		block(dst[b*blockSize:min((b+1)*blockSize, len(dst))], src, &streams[worker], b, fill)
	})
	return nil
}

// block draws one block from the stream of its number, and leaves s wiped, in a panic too.
func block(dst []int64, src *source, s *stream, b int, fill func(dst []int64, s *stream)) {
	defer s.wipe()
	s.open(src, uint64(b))
	fill(dst, s)
}
