package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
)

// keyBytes and seedBytes: one call reads an AES-256 key and a 128-bit initial
// counter.
const (
	keyBytes  = 32
	seedBytes = keyBytes + aes.BlockSize
)

// source is the randomness of one call: AES-256 under a fresh key, and the
// counter hi*2^64 + lo from which all streams start. It is read-only, so
// workers share it.
type source struct {
	block  cipher.Block
	hi, lo uint64
}

// newSource reads one seed. It reports a short or failed read, never makes do
// with what it got, and leaves no copy of the seed: only the cipher's own key
// schedule remains, which crypto/aes gives no way to wipe.
func newSource(entropy io.Reader) (*source, error) {
	seed := make([]byte, seedBytes)
	defer wipe(seed)
	if _, err := io.ReadFull(entropy, seed); err != nil {
		return nil, fmt.Errorf("noise: reading entropy: %w", err)
	}
	block, err := aes.NewCipher(seed[:keyBytes])
	if err != nil {
		return nil, fmt.Errorf("noise: %w", err)
	}
	return &source{
		block: block,
		hi:    binary.BigEndian.Uint64(seed[keyBytes:]),
		lo:    binary.BigEndian.Uint64(seed[keyBytes+8:]),
	}, nil
}

// stream hands out the words of one AES-CTR key stream. A worker owns one and
// reopens it for every block.
type stream struct {
	ctr cipher.Stream
	buf [2048]byte
	pos int // the next unread byte of buf; len(buf) when there is none
}

// open starts stream number n of src. Its counters are
//
//	(hi+n)*2^64 + lo + i mod 2^128,   0 <= i < 2^60;
//
// the bound on i is enforced: crypto/aes panics when one stream passes 2^64
// bytes. For numbers n != n' mod 2^64 these ranges are disjoint, since adding
// hi*2^64 + lo mod 2^128 is a bijection and n*2^64 + i determines n and i.
func (s *stream) open(src *source, n uint64) {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:8], src.hi+n)
	binary.BigEndian.PutUint64(iv[8:], src.lo)
	s.ctr = cipher.NewCTR(src.block, iv[:])
	s.pos = len(s.buf)
}

// next returns the next 64 bits. The byte order is fixed, so that a result does
// not depend on the machine.
func (s *stream) next() uint64 {
	if s.pos == len(s.buf) {
		s.refill()
	}
	s.pos += 8
	return binary.LittleEndian.Uint64(s.buf[s.pos-8:])
}

//go:noinline
func (s *stream) refill() {
	clear(s.buf[:])
	s.ctr.XORKeyStream(s.buf[:], s.buf[:])
	s.pos = 0
}

// wipe forgets the key stream.
func (s *stream) wipe() {
	s.ctr = nil
	wipe(s.buf[:])
	s.pos = len(s.buf)
}

// wipe zeroes b. It is kept out of line and b alive, so that no compiler may
// take the stores for dead ones.
//
//go:noinline
func wipe(b []byte) {
	clear(b)
	runtime.KeepAlive(b)
}
