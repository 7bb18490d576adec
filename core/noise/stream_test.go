package noise

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"
)

// TestCounters holds the key stream of block n against AES of the counters
// C + 2^64 n + i mod 2^128, with carries in both halves of the counter.
func TestCounters(t *testing.T) {
	key := bytes.Repeat([]byte{0x5a, 0x17}, keyBytes/2)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, iv := range []string{
		"00000000000000000000000000000000",
		"0123456789abcdeffedcba9876543210",
		"0123456789abcdeffffffffffffffff0",
		"fffffffffffffffffffffffffffffff0",
	} {
		c, _ := new(big.Int).SetString(iv, 16)
		seed := append(slices.Clone(key), c.FillBytes(make([]byte, 16))...)
		src, err := newSource(bytes.NewReader(seed))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []uint64{0, 1, 2, 1 << 32, 1<<64 - 1} {
			var s stream
			s.open(src, n)
			for i := range int64(300) {
				counter := new(big.Int).SetUint64(n)
				counter.Lsh(counter, 64).Add(counter, c).Add(counter, big.NewInt(i))
				counter.And(counter, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
				var want [16]byte
				block.Encrypt(want[:], counter.FillBytes(make([]byte, 16)))
				if s.next() != binary.LittleEndian.Uint64(want[:8]) ||
					s.next() != binary.LittleEndian.Uint64(want[8:]) {
					t.Fatalf("counter %s, stream %d: cipher block %d differs", iv, n, i)
				}
			}
		}
	}
}

// TestReopen: a stream that is opened again starts afresh, in mid-buffer too.
func TestReopen(t *testing.T) {
	src, err := newSource(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	var s, fresh stream
	s.open(src, 3)
	for range 777 {
		s.next()
	}
	s.open(src, 4)
	fresh.open(src, 4)
	for range 777 {
		if s.next() != fresh.next() {
			t.Fatal("a reopened stream differs from a fresh one")
		}
	}
}

// spy hands out bytes and remembers where it put them.
type spy struct {
	io.Reader
	seen [][]byte
}

func (r *spy) Read(p []byte) (int, error) {
	r.seen = append(r.seen, p)
	return r.Reader.Read(p)
}

// TestWiped: of the seed and of a key stream nothing is left.
func TestWiped(t *testing.T) {
	for _, n := range []int{0, 1, 47, 48, 1000} {
		r := &spy{Reader: io.LimitReader(seeded(1), int64(n))}
		if err := gaussian(make([]int64, 10), 5, 1, r); (err == nil) != (n >= seedBytes) {
			t.Errorf("%d bytes of entropy: %v", n, err)
		}
		total := 0
		for _, p := range r.seen {
			total += len(p)
			if slices.Max(p) != 0 {
				t.Errorf("%d bytes of entropy: seed bytes are left", n)
			}
		}
		if n >= seedBytes && total != seedBytes {
			t.Errorf("%d bytes were asked for", total)
		}
	}

	// A block leaves its stream empty, in a panic too: a table that is nil panics when the first
	// word is drawn.
	src, err := newSource(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, boxes := range []*table{boxes(), nil} {
		s := new(stream)
		func() {
			defer func() {
				if failed := recover() != nil; failed != (boxes == nil) {
					t.Errorf("panic %v", failed)
				}
			}()
			block(make([]int64, 10), src, s, 0, func(dst []int64, s *stream) { boxes.fill(dst, 5, s) })
		}()
		if slices.Max(s.buf[:]) != 0 || s.ctr != nil {
			t.Error("the stream has contents")
		}
	}
}

// TestShortRead: entropy that comes in pieces is put together.
func TestShortRead(t *testing.T) {
	a, b := make([]int64, 100), make([]int64, 100)
	if err := errors.Join(gaussian(a, 1<<40, 1, seeded(9)), gaussian(b, 1<<40, 1, oneByte{seeded(9)})); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a, b) {
		t.Error("the result depends on the sizes of the reads")
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }
