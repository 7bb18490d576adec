package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"dpattn/core/fault"
)

// The two kinds of files and their layout are described in docs/format.md.
const (
	releaseMagic  = "DPATTN release\x00\x00"
	partialMagic  = "DPATTN SECRET!\x00\x00"
	formatVersion = 1
)

// writer appends little-endian numbers.
type writer struct{ buf []byte }

func (w *writer) u16(v uint16)  { w.buf = binary.LittleEndian.AppendUint16(w.buf, v) }
func (w *writer) u32(v uint32)  { w.buf = binary.LittleEndian.AppendUint32(w.buf, v) }
func (w *writer) u64(v uint64)  { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }
func (w *writer) f64(v float64) { w.u64(math.Float64bits(v)) }
func (w *writer) raw(b []byte)  { w.buf = append(w.buf, b...) }
func (w *writer) i64s(v []int64) {
	for _, x := range v {
		w.u64(uint64(x))
	}
}

// begin writes magic and version.
func (w *writer) begin(magic string) {
	w.raw([]byte(magic))
	w.u32(formatVersion)
}

// seal appends the checksum over everything before it.
func (w *writer) seal() {
	sum := sha256.Sum256(w.buf)
	w.raw(sum[:])
}

// reader takes little-endian numbers off; past the end it gives zeros and remembers.
type reader struct {
	buf   []byte
	short bool
}

var zeros [8]byte

func (r *reader) take(n int) []byte {
	if r.short || n > len(r.buf) {
		r.short = true
		return zeros[:min(n, len(zeros))]
	}
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

func (r *reader) u16() uint16  { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32  { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64  { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) f64() float64 { return math.Float64frombits(r.u64()) }

// f64s reads n numbers; nothing is allocated before it is known that they are there.
func (r *reader) f64s(n int) []float64 {
	if r.short || n > len(r.buf)/8 {
		r.short = true
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = r.f64()
	}
	return out
}

// i64s reads len(dst) numbers.
func (r *reader) i64s(dst []int64) {
	b := r.take(8 * len(dst))
	if r.short {
		return
	}
	for i := range dst {
		dst[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// unseal checks magic, checksum and version, in the order that gives the most helpful message.
func unseal(what string, data []byte, magic string) (*reader, error) {
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		if bytes.HasPrefix(data, []byte(partialMagic)) {
			return nil, fault.New(fault.Corrupt, "data: it is a secret partial; %s is wanted", what)
		}
		if bytes.HasPrefix(data, []byte(releaseMagic)) {
			return nil, fault.New(fault.Corrupt, "data: it is a release; %s is wanted", what)
		}
		return nil, fault.New(fault.Corrupt, "data: it is not %s (its first bytes are not the magic)", what)
	}
	body := len(data) - sha256.Size
	if body < len(magic)+4 {
		return nil, fault.New(fault.Corrupt, "data: it has %d bytes, too few for %s", len(data), what)
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return nil, fault.New(fault.Corrupt, "data: the checksum does not match; %s of %d bytes was cut or altered", what, len(data))
	}
	r := &reader{buf: data[len(magic):body]}
	if v := r.u32(); v != formatVersion {
		return nil, fault.New(fault.Unsupported, "data: format version is %d; this library reads %d", v, formatVersion)
	}
	return r, nil
}
