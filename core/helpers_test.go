package core

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/big"
	random "math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/trees"
	"dpattn/tests/testkit"
)

// settings are the parameters of all mechanisms side by side, as tests vary them. 0 as Mechanism
// is the moment release.
type settings struct {
	Heads, KeyDim, ValueDim, Degree                 int
	Mechanism                                       int32
	Polynomial                                      moment.Polynomial
	Adjacency                                       Adjacency
	OwnerRows                                       int
	Rotation                                        moment.Rotation
	KeyBound, ValueBound, QueryBound, Scale, Lambda float64
	OwnerBound                                      float64
	Center, HeadWeights                             []float64
	Range, ValueRange                               float64
	RelativeError, FailureProbability, CopyFactor   float64
	Rows                                            uint64
	Leaves, Copies                                  int
	Trees                                           trees.Trees
	Cells                                           int
	Codebook                                        []float64
}

// fields are the mechanisms' parameters by their names in C.
func (s settings) fields() []mechanism.Field {
	return slices.Concat(moment.Params{
		Degree: s.Degree, Polynomial: s.Polynomial, Rotation: s.Rotation, KeyBound: s.KeyBound,
		ValueBound: s.ValueBound, QueryBound: s.QueryBound, Scale: s.Scale, Lambda: s.Lambda,
		OwnerBound: s.OwnerBound, Center: s.Center, HeadWeights: s.HeadWeights,
	}.Fields(), trees.Params{
		Range: s.Range, ValueRange: s.ValueRange, RelativeError: s.RelativeError,
		FailureProbability: s.FailureProbability, CopyFactor: s.CopyFactor, Rows: s.Rows,
		Leaves: s.Leaves, Copies: s.Copies, Trees: s.Trees,
	}.Fields()[1:], []mechanism.Field{
		{Name: "cells", Value: int64(s.Cells)}, {Name: "codebook", Value: s.Codebook},
	})
}

// params are those of the mechanism; what it does not read is no error here.
func (s settings) params() Params {
	p := Params{
		Heads: s.Heads, KeyDim: s.KeyDim, ValueDim: s.ValueDim, Adjacency: s.Adjacency, OwnerRows: s.OwnerRows,
	}
	kind := &moment.Kind
	for _, k := range kinds {
		if k.Number == s.Mechanism {
			kind = k
		}
	}
	p.Mechanism = kind.Settings(mechanism.NewFields(s.fields()))
	return p
}

// newSettings makes a builder the way of a caller in C, who is told of parameters that are not
// read.
func newSettings(s settings) (*Builder, error) {
	p, err := ReadParams(s.params(), s.Mechanism, s.fields())
	if err != nil {
		return nil, err
	}
	return NewBuilder(p)
}

// normBounds are those of keys and values, of a mechanism that has them.
func normBounds(m mechanism.Mechanism) (key, value float64) {
	f := mechanism.NewFields(m.Params().Mechanism.Fields())
	return f.Float("key_bound"), f.Float("value_bound")
}

// tape is randomness that can be played again, and counts what is read of it.
type tape struct {
	source *random.ChaCha8
	read   int
}

func newTape(seed uint64) *tape {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &tape{source: random.NewChaCha8(key)}
}

func (t *tape) Read(p []byte) (int, error) {
	t.read += len(p)
	return t.source.Read(p)
}

// withRandomness runs work with source in the place of the kernel's randomness.
func withRandomness(source io.Reader, work func()) {
	defer func(kernel io.Reader) { rand.Reader = kernel }(rand.Reader)
	rand.Reader = source
	work()
}

// drafted is a release of b with the randomness of that seed, and leaves b as it is.
func drafted(b *Builder, budget privacy.Budget, seed uint64) (r *Release) {
	withRandomness(newTape(seed), func() {
		var err error
		if r, err = b.draft(budget, nil); err != nil {
			panic(err)
		}
	})
	return r
}

// exact is the sums of all heads: what a release has, less its noise, which the same randomness
// gives to an empty builder.
func exact(b *Builder) []int64 {
	none, err := b.mechanism.NewSums()
	if err != nil {
		panic(err)
	}
	state := slices.Clone(drafted(b, someBudget, 1).State())
	for i, noise := range drafted(newBuilder(b.mechanism, none), someBudget, 1).State() {
		state[i] -= noise
	}
	return state
}

// silent releases without noise, and consumes b.
func silent(t testing.TB, b *Builder) *Release {
	t.Helper()
	sums := exact(b)
	file := altered(saved(t, drafted(b, someBudget, 1)), 8*len(sums), func(state []byte) {
		for i, v := range sums {
			binary.LittleEndian.PutUint64(state[8*i:], uint64(v))
		}
	})
	b.Wipe()
	return testkit.Must(Load(file))(t)
}

// altered changes the last n bytes before a file's checksum, and computes that anew.
func altered(file []byte, n int, change func(end []byte)) []byte {
	w := wire.Writer{Buf: slices.Clone(file[:len(file)-32])}
	change(w.Buf[len(w.Buf)-n:])
	w.Seal()
	return w.Buf
}

// headsOf is what a file of the moment release has of each head: sigma and, where it is public, the
// number of rows, 8 bytes each. Changes of them are changes of the file.
func headsOf(r *Release, end []byte) []byte { return end[:16*r.mechanism.Params().Heads] }

// withSigma is the file of r with the sigma of one head changed, sealed anew.
func withSigma(t testing.TB, r *Release, head int, change func(sigma uint64) uint64) []byte {
	return altered(saved(t, r), int(r.mechanism.StateLen()), func(end []byte) {
		at := headsOf(r, end)[16*head:]
		binary.LittleEndian.PutUint64(at, change(binary.LittleEndian.Uint64(at)))
	})
}

// certificate is what tests read of a moment release's certificate.
type certificate struct {
	mechanism.Certificate
	Mu          float64
	MuSquared   struct{ Numerator, Denominator string } `json:"mu_squared"`
	Sensitivity struct {
		Squared      string
		PhiSquared   uint64 `json:"phi_squared"`
		ValueSquared uint64 `json:"value_squared"`
		Lambda       int16
		Sharper      bool `json:"sharper_replace_bound"`
	}
	Noise struct {
		Terms []struct {
			Heads int
			Sigma uint64
		}
	}
	Rows   []uint64
	Groups []struct{ Epsilon float64 }
}

func certificateOf(t testing.TB, r *Release) (c certificate) {
	t.Helper()
	if err := json.Unmarshal(r.Certificate(), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// squared is the squared sensitivity of the certificate.
func (c *certificate) squared() *big.Int {
	s, _ := new(big.Int).SetString(c.Sensitivity.Squared, 10)
	return s
}

// squaredOf is the squared sensitivity of a moment or codebook release.
func squaredOf(t testing.TB, m mechanism.Mechanism) *big.Int {
	c := certificateOf(t, drafted(newBuilder(m, testkit.Must(m.NewSums())(t)), someBudget, 1))
	return c.squared()
}

// reach visits the memory that a value reaches through pointers, slices, maps, interfaces and
// structs, but not through functions and channels; numbers says that it is a slice of numbers.
func reach(v reflect.Value, visit func(p unsafe.Pointer, bytes uintptr, numbers bool)) {
	seen := map[unsafe.Pointer]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if p := v.UnsafePointer(); p != nil && !seen[p] {
				seen[p] = true
				visit(p, v.Type().Elem().Size(), false)
				walk(v.Elem())
			}
		case reflect.Interface:
			walk(v.Elem())
		case reflect.Slice:
			if v.Cap() == 0 {
				return
			}
			k := v.Type().Elem().Kind()
			numbers := k >= reflect.Bool && k <= reflect.Complex128
			visit(v.UnsafePointer(), uintptr(v.Cap())*v.Type().Elem().Size(), numbers)
			for i := 0; i < v.Len() && !numbers; i++ {
				walk(v.Index(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				walk(i.Key())
				walk(i.Value())
			}
		}
	}
	walk(v)
}

// spans lists the memory that a value reaches, as [first, beyond) by address.
func spans(v any) map[uintptr]uintptr {
	out := map[uintptr]uintptr{}
	reach(reflect.ValueOf(v), func(p unsafe.Pointer, bytes uintptr, _ bool) {
		out[uintptr(p)] = max(out[uintptr(p)], uintptr(p)+bytes)
	})
	return out
}

// numbers are the bytes of all slices of numbers that a value reaches, by address.
func numbers(v reflect.Value) map[uintptr][]byte {
	out := map[uintptr][]byte{}
	reach(v, func(p unsafe.Pointer, bytes uintptr, numbers bool) {
		if numbers {
			out[uintptr(p)] = unsafe.Slice((*byte)(p), bytes)
		}
	})
	return out
}

func notZero(b byte) bool { return b != 0 }
