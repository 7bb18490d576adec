package dptree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// files returns one release of every structure, each with its file and the function that reads it.
func files(t testing.TB) (forests []*forest, saved [][]byte, read []func([]byte) (*released, error)) {
	rng := testkit.Rand(15)
	for i, adjacency := range []privacy.Adjacency{privacy.AddRemove, privacy.Replace} {
		for _, s := range structures(adjacency, 2*(1-i)) {
			s.p.Leaves, s.p.Copies = 3, 2
			dim, cols := s.dims()
			x := data{points: between(rng, 4*dim, 0, 1), weights: between(rng, 4*cols, -2, 2)}
			if s.p.OwnerRows > 0 {
				x.owners = []uint64{1, 1, 1, 2}
			}
			f := testkit.Must(s.release(x, kernelNoise, nil))(t)
			forests, saved = append(forests, f), append(saved, (&released{f: f}).Encode())
			read = append(read, func(data []byte) (*released, error) { return decode(data, s.kind) })
		}
	}
	return forests, saved, read
}

// public are the six decoders, by kind.
var public = map[kind]func([]byte) (any, error){
	kindTree:      func(b []byte) (any, error) { return DecodeTree(b) },
	kindDistance:  func(b []byte) (any, error) { return DecodeDistance(b) },
	kindHighDim:   func(b []byte) (any, error) { return DecodeHighDim(b) },
	kindSoftmax:   func(b []byte) (any, error) { return DecodeSoftmax(b) },
	kindAdaptive:  func(b []byte) (any, error) { return DecodeSoftmaxAdaptive(b) },
	kindAttention: func(b []byte) (any, error) { return DecodeCrossAttention(b) },
}

// TestFiles: what is read is what was written, and only by the structure's own reader.
func TestFiles(t *testing.T) {
	forests, saved, read := files(t)
	for i, f := range forests {
		r, err := read[i](saved[i])
		if err != nil {
			t.Fatalf("%s: %v", f.d.kind, err)
		}
		if !reflect.DeepEqual(r.f, f) {
			t.Errorf("%s: the structure read differs", f.d.kind)
		}
		if again := r.Encode(); !bytes.Equal(again, saved[i]) {
			t.Errorf("%s: the file written again differs", f.d.kind)
		}
		for k, decode := range public {
			switch v, err := decode(saved[i]); {
			case k == f.d.kind && err != nil:
				t.Errorf("%s: %v", k, err)
			case k != f.d.kind && (fault.CodeOf(err) != fault.Corrupt || !reflect.ValueOf(v).IsNil()):
				t.Errorf("a %s read as %s: %v", f.d.kind, k, err)
			}
		}
	}
}

// seal gives a changed file the checksum that fits.
func seal(data []byte) []byte {
	body := slices.Clone(data[:len(data)-sha256.Size])
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

// TestDamage: every truncation and bit flip is refused by the checksum; with the checksum mended,
// every truncation is refused, and a flip of a bit (one byte in three before the numbers, all of
// them at full size) is refused or leaves a file whose guarantee holds for its own noise.
func TestDamage(t *testing.T) {
	_, saved, read := files(t)
	rng := testkit.Rand(16)
	for i, data := range saved {
		for n := range data {
			// All of what stands before the numbers, some of the numbers.
			if n > 300 && rng.IntN(testkit.Size(40, 4)) != 0 {
				continue
			}
			if _, err := read[i](data[:n]); fault.CodeOf(err) != fault.Corrupt {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
			if n > wire.Overhead {
				if _, err := read[i](seal(data[:n])); err == nil {
					t.Fatalf("cut to %d bytes with its checksum: read", n)
				}
			}
			flipped := slices.Clone(data)
			flipped[n] ^= 1 << rng.IntN(8)
			if _, err := read[i](flipped); fault.CodeOf(err) != fault.Corrupt {
				t.Fatalf("byte %d flipped: %v", n, err)
			}
			if rng.IntN(testkit.Size(3, 1)) != 0 {
				continue
			}
			if r, err := read[i](seal(flipped)); err == nil && !r.f.d.holds(&r.f.guarantee) {
				t.Fatalf("byte %d flipped with its checksum: a false guarantee is read", n)
			}
		}
	}
}

// TestFalseClaims: noise that is too small for what the file claims, in every number of the
// guarantee.
func TestFalseClaims(t *testing.T) {
	forests, saved, read := files(t)
	for i, f := range forests {
		head := wire.Writer{}
		head.Begin(wire.DPTree)
		f.d.encode(&head)
		at := len(head.Buf) // of the composition: u32 rule, u64 count, five f64, then the distributions
		less := func(offset int, by float64) []byte {
			data := slices.Clone(saved[i])
			v := math.Float64frombits(binary.LittleEndian.Uint64(data[at+offset:]))
			binary.LittleEndian.PutUint64(data[at+offset:], math.Float64bits(v*by))
			return seal(data)
		}
		integer := func(offset int, by int64) []byte {
			data := slices.Clone(saved[i])
			v := binary.LittleEndian.Uint64(data[at+offset:])
			binary.LittleEndian.PutUint64(data[at+offset:], v+uint64(by))
			return seal(data)
		}
		lies := map[string][]byte{
			"epsilon": less(12, 0.999), "delta": less(20, 0.999), "epsilon0": less(28, 0.999),
			"delta0": less(36, 0.999), "count": integer(4, -1),
		}
		for j := range f.d.terms {
			lies["lambda"] = integer(52+24*j, -1)
			lies["den"] = integer(52+24*j+8, 1)
			lies["support"] = integer(52+24*j+16, -1)
			for name, data := range lies {
				if _, err := read[i](data); fault.CodeOf(err) != fault.Corrupt {
					t.Errorf("%s, term %d: a false %s is read: %v", f.d.kind, j, name, err)
				}
			}
		}
	}
}

// TestHugeShapes: a file that names giant shapes is refused without making them.
func TestHugeShapes(t *testing.T) {
	_, saved, read := files(t)
	for i, data := range saved {
		for field := range 11 {
			for _, v := range []uint32{0, 1, 8, 1 << 16, 1 << 20, 1 << 24, 1 << 28, 1<<31 - 1, 1<<32 - 1} {
				huge := slices.Clone(data)
				binary.LittleEndian.PutUint32(huge[20+4*field:], v)
				if bytes.Equal(huge, data) {
					continue
				}
				if r, err := read[i](seal(huge)); err == nil && !r.f.d.holds(&r.f.guarantee) {
					t.Errorf("file %d, field %d = %d: a false guarantee is read", i, field, v)
				}
			}
		}
	}
}

// TestSecrets: what PutSecret writes, TakeSecret reads.
func TestSecrets(t *testing.T) {
	rng := testkit.Rand(17)
	s := structures(privacy.AddRemove, 0)[7]
	b := testkit.Must(NewAttentionBuilder(s.p))(t)
	if err := b.Add(view(between(rng, 60, 0, 1), 3), view(between(rng, 40, -1, 1), 2)); err != nil {
		t.Fatal(err)
	}
	w := wire.Writer{}
	b.PutSecret(&w)
	c, err := b.d.newBuilder()
	if err != nil || len(w.Buf) != b.SecretLen() {
		t.Fatal(err, len(w.Buf))
	}
	if err := c.TakeSecret(&wire.Reader{Buf: w.Buf[1:]}); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("cut: %v", err)
	}
	if err := c.TakeSecret(&wire.Reader{Buf: w.Buf}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.s.leaf, b.s.leaf) || !slices.Equal(c.s.whole, b.s.whole) || c.s.rows != 20 ||
		c.counts != b.counts {
		t.Error("the sums read differ")
	}
}

// FuzzDecode: no bytes make a reader panic, or give a structure whose guarantee does not hold. The
// checksum is mended, so that the bytes are looked at.
func FuzzDecode(f *testing.F) {
	_, saved, _ := files(f)
	stored, err := filepath.Glob("../../tests/stored/*/*.dpa")
	if err != nil || len(stored) == 0 {
		f.Fatal("no stored files", err)
	}
	for _, path := range stored {
		saved = append(saved, testkit.Must(os.ReadFile(path))(f))
	}
	for _, data := range saved {
		f.Add(data[:min(len(data), 2000)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > sha256.Size {
			data = seal(data)
		}
		for k := range public {
			r, err := decode(data, k)
			if err != nil {
				if r != nil || fault.CodeOf(err) == fault.Internal {
					t.Errorf("%v, %v", r, err)
				}
				continue
			}
			if !r.f.d.holds(&r.f.guarantee) || !bytes.Equal(r.Encode(), data) {
				t.Errorf("%s: a false guarantee, or another file when written again", k)
			}
		}
	})
}
