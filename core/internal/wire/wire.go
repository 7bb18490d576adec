// Package wire reads and writes dpattn's files: little-endian numbers between a magic with a
// version and a checksum. docs/formats.md describes them.
package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"dpattn/core/fault"
)

// Magics are the first bytes of the kinds of files, all of the same length.
const (
	Release = "DPATTN release\x00\x00"
	Partial = "DPATTN SECRET!\x00\x00"
	DPTree  = "DPATTN dptree\x00\x00\x00"
)

// kinds names the kinds in messages.
var kinds = map[string]string{
	Release: "a release",
	Partial: "a secret partial",
	DPTree:  "a structure of the DPTree family",
}

// Version is the version of the format, for all kinds.
const Version = 1

// Overhead is how many bytes a file has besides what Begin and Seal enclose.
const Overhead = len(Release) + 4 + sha256.Size

// Writer appends little-endian numbers.
type Writer struct{ Buf []byte }

// U16, U32, U64 and F64 append one number.
func (w *Writer) U16(v uint16)  { w.Buf = binary.LittleEndian.AppendUint16(w.Buf, v) }
func (w *Writer) U32(v uint32)  { w.Buf = binary.LittleEndian.AppendUint32(w.Buf, v) }
func (w *Writer) U64(v uint64)  { w.Buf = binary.LittleEndian.AppendUint64(w.Buf, v) }
func (w *Writer) F64(v float64) { w.U64(math.Float64bits(v)) }

// Raw appends bytes as they are.
func (w *Writer) Raw(b []byte) { w.Buf = append(w.Buf, b...) }

// I64s appends many numbers.
func (w *Writer) I64s(v []int64) {
	for _, x := range v {
		w.U64(uint64(x))
	}
}

// Begin writes magic and version.
func (w *Writer) Begin(magic string) {
	w.Raw([]byte(magic))
	w.U32(Version)
}

// Seal appends the checksum over everything before it.
func (w *Writer) Seal() {
	sum := sha256.Sum256(w.Buf)
	w.Raw(sum[:])
}

// Reader takes little-endian numbers off; past the end it gives zeros and remembers.
type Reader struct {
	Buf   []byte // what is left
	Short bool   // more was taken than there was
}

var zeros [8]byte

// Take takes n bytes off. Where they are not there it gives zeros, at most eight.
func (r *Reader) Take(n int) []byte {
	if r.Short || n > len(r.Buf) {
		r.Short = true
		return zeros[:min(n, len(zeros))]
	}
	b := r.Buf[:n]
	r.Buf = r.Buf[n:]
	return b
}

// U16, U32, U64 and F64 take one number off.
func (r *Reader) U16() uint16  { return binary.LittleEndian.Uint16(r.Take(2)) }
func (r *Reader) U32() uint32  { return binary.LittleEndian.Uint32(r.Take(4)) }
func (r *Reader) U64() uint64  { return binary.LittleEndian.Uint64(r.Take(8)) }
func (r *Reader) F64() float64 { return math.Float64frombits(r.U64()) }

// F64s takes n numbers off; nothing is allocated before it is known that they are there.
func (r *Reader) F64s(n int) []float64 {
	if r.Short || n > len(r.Buf)/8 {
		r.Short = true
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = r.F64()
	}
	return out
}

// I64s takes len(dst) numbers off.
func (r *Reader) I64s(dst []int64) {
	b := r.Take(8 * len(dst))
	if r.Short {
		return
	}
	for i := range dst {
		dst[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// End refuses what is left, and where more was taken than there was.
func (r *Reader) End() error {
	if r.Short || len(r.Buf) != 0 {
		return Corrupt("its length does not fit its shapes")
	}
	return nil
}

// Unseal checks magic, checksum and version, in the order that gives the most helpful message.
func Unseal(data []byte, magic string) (*Reader, error) {
	what := kinds[magic]
	if !bytes.HasPrefix(data, []byte(magic)) {
		for other, name := range kinds {
			if bytes.HasPrefix(data, []byte(other)) {
				return nil, Corrupt("it is " + name + "; " + what + " is wanted")
			}
		}
		return nil, Corrupt("it is not " + what + " (its first bytes are not the magic)")
	}
	body := len(data) - sha256.Size
	if body < len(magic)+4 {
		return nil, fault.New(fault.Corrupt, "data: it has %d bytes, too few for %s", len(data), what)
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return nil, fault.New(fault.Corrupt, "data: the checksum does not match; %s of %d bytes was cut or altered",
			what, len(data))
	}
	r := &Reader{Buf: data[len(magic):body]}
	if v := r.U32(); v != Version {
		return nil, fault.New(fault.Unsupported, "data: format version is %d; this library reads %d", v, Version)
	}
	return r, nil
}

// Corrupt is the error of a file whose contents cannot be.
func Corrupt(why string) error { return fault.New(fault.Corrupt, "data: %s", why) }
