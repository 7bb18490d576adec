package main

import (
	"crypto/sha256"
	"dpattn/bench/probe"
	"dpattn/core"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"encoding/binary"
	"reflect"
	"slices"
)

// releases are kept by shape and rows.
var releases = map[shape]map[int]*core.Release{}

// release makes the release of about n rows: at most 4096 different ones, doubled as often as
// needed, since only the size of the sums matters here.
func release(s shape, n int) *core.Release {
	if releases[s] == nil {
		releases[s] = map[int]*core.Release{}
	}
	if r := releases[s][n]; r != nil {
		return r
	}
	doublings := 0
	for n>>doublings > 4096 {
		doublings++
	}
	in := newInput(s, n>>doublings)
	in.add(s)
	for i := range doublings {
		needed, _ := in.builder.ExportSecret(nil)
		partial := make([]byte, needed)
		_, err := in.builder.ExportSecret(partial)
		check(err)
		disown(partial, i)
		twin, err := core.ImportSecret(partial)
		check(err)
		check(in.builder.Merge(twin))
	}
	r, err := in.builder.Release(privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
	check(err)
	releases[s][n] = r
	return r
}

// disown flips bit i of all origins of a partial (docs/formats.md), so that it passes for other
// rows.
func disown(partial []byte, i int) {
	const first, size = 16 + 4 + 8, 16
	for at := range binary.LittleEndian.Uint64(partial[first-8:]) {
		partial[first+size*at+size-1-uint64(i/8)] ^= 1 << (i % 8)
	}
	body := partial[:len(partial)-sha256.Size]
	sum := sha256.Sum256(body)
	copy(partial[len(body):], sum[:])
}

// asker asks a release 64 different queries.
type asker struct {
	release      *core.Release
	queries, out tensor.Tensor
	at           int
}

const asked = 64

// attend measures one call of Attend with a batch of f32 queries.
func attend(r request) answer {
	s := r.shape()
	a := keep(r, func() *asker {
		return &asker{
			release: release(s, r.N),
			queries: tensor.Of(vectors(asked, s.d, 3), asked, s.d),
			out:     tensor.Of(make([]float32, asked*s.dv), asked, s.dv),
		}
	})
	us := a.microseconds(r)
	return answer{"us": us, "bytes": float64(numberBytes(a.release, s, r.Batch)) * s.macs(), "macs": s.macs()}
}

// microseconds is the time of one query.
func (a *asker) microseconds(r request) float64 {
	return 1e6 / repeat(r.long(), func() float64 {
		if a.at+r.Batch > asked {
			a.at = 0
		}
		_, err := a.release.Attend(a.queries.Rows(a.at, a.at+r.Batch), a.out.Rows(a.at, a.at+r.Batch), nil, nil)
		check(err)
		a.at += r.Batch
		return float64(r.Batch)
	})
}

// numberBytes is the size of one number of the state in the form that queries read: of the tables
// of the release's reader that have most of the state's numbers, the smallest for one query, the
// largest for many. Which types these have is the library's own business, hence the reflection.
func numberBytes(r *core.Release, s shape, batch int) int {
	reader := reflect.ValueOf(r).Elem().FieldByName("state").Elem().Elem().FieldByName("readers").Index(0)
	sizes := tables(reader, int(s.macs())*3/4, 8)
	if batch == 1 {
		return slices.Min(sizes)
	}
	return slices.Max(sizes)
}

// tables returns how many bytes an element has of each slice in v with at least so many of them.
func tables(v reflect.Value, least, depth int) (sizes []int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if depth > 0 && !v.IsNil() {
			sizes = tables(v.Elem(), least, depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			sizes = append(sizes, tables(v.Field(i), least, depth-1)...)
		}
	case reflect.Slice:
		if v.Len() >= least {
			sizes = []int{int(v.Type().Elem().Size())}
		}
	}
	return sizes
}

// probeRate samples a loop of package probe.
func probeRate(r request) answer {
	l, ok := probe.Find(r.Name)
	if !ok {
		return answer{"gmac_s": nil}
	}
	return answer{"gmac_s": l.Rate(r.Threads, r.long()) / 1e9}
}

// readRate samples reading.
func readRate(r request) answer {
	if !probe.CanRead() {
		return answer{"gb_s": nil}
	}
	return answer{"gb_s": probe.Read(r.Bytes, r.Threads, r.long()) / 1e9}
}
