package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"dpattn/core/codebook"
	"dpattn/core/fault"
	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/tests/testkit"
)

// The measured standard deviation of outputs over many releases is the predicted one: at three
// query norms and both adjacencies.
//
// 400 releases x 12 queries x 3 columns. Columns of one query are nearly independent, queries share
// noise; the ratio of pooled variances has a relative standard error below sqrt(2/400)/2 = 3.5 % in
// variance, 1.8 % in standard deviation even if the queries were one, so that 5 % is 2.8 standard
// errors; the noise is drawn from a fixed seed (drafted), so there are no false alarms from run to
// run. The kernel's noise has its own tests.
func TestPredictedStddev(t *testing.T) {
	const n, releases, queries = 3000, 400, 12
	for _, adjacency := range []Adjacency{AddRemove, Replace} {
		p := settings{
			KeyDim:     4,
			ValueDim:   3,
			Degree:     3,
			Adjacency:  adjacency,
			KeyBound:   1,
			ValueBound: 1,
			QueryBound: 2,
			Scale:      1,
		}
		source := built(t, p, testkit.Ball(testkit.Rand(20), n, 4, 1), testkit.Ball(testkit.Rand(21), n, 3, 1))
		partial := exported(t, source)
		for _, length := range []float64{2, 1, 0.25} {
			q := testkit.Zeros(queries, 4)
			for i := range queries {
				copy(q.Row(i), testkit.Ball(testkit.Rand(uint64(30+i)), 1, 4, length).Row(0))
			}
			exact, _, _ := attended(t, silent(t, testkit.Must(ImportSecret(partial))(t)), q)
			measured, predicted := 0.0, 0.0
			for trial := range releases {
				b := testkit.Must(ImportSecret(partial))(t)
				r := drafted(b, privacy.Budget{Epsilon: 2, Delta: 1e-5}, uint64(trial))
				out, _, std := attended(t, r, q)
				for i, o := range out.Data {
					measured += (o - exact.Data[i]) * (o - exact.Data[i])
					predicted += std.Data[i] * std.Data[i]
				}
			}
			ratio := math.Sqrt(measured / predicted)
			t.Logf("%v, |q| = %v: measured/predicted = %.3f", adjacency, length, ratio)
			if math.Abs(ratio-1) > 0.05 {
				t.Errorf("%v, |q| = %v: measured/predicted = %.3f", adjacency, length, ratio)
			}
		}
	}
}

// Several heads, centres and head weights: every head's noise and the certificate's mu fit
// together.
func TestHeads(t *testing.T) {
	const n, heads = 200, 3
	p := settings{
		Heads:       heads,
		KeyDim:      4,
		ValueDim:    2,
		Degree:      4,
		Adjacency:   Replace,
		KeyBound:    1,
		ValueBound:  1,
		QueryBound:  1,
		Scale:       0.5,
		HeadWeights: []float64{1, 2, 5},
		Center:      []float64{1, 2, 3, 4, 0, 0, 0, 0, -1, 0, 0, 2},
	}
	k, v := make([]float64, 0, heads*n*4), make([]float64, 0, heads*n*2)
	var ks, vs []testkit.Matrix
	for h := range heads {
		kh, vh := testkit.Ball(testkit.Rand(uint64(40+h)), n, 4, 1), testkit.Ball(testkit.Rand(uint64(50+h)), n, 2, 1)
		for i := range n {
			for j := range 4 {
				kh.Row(i)[j] += p.Center[h*4+j]
			}
		}
		ks, vs = append(ks, kh), append(vs, vh)
		k, v = append(k, kh.Data...), append(v, vh.Data...)
	}
	b := testkit.Must(NewBuilder(p.params()))(t)
	if err := b.Add(AllHeads, tensor.Of(k, heads, n, 4), tensor.Of(v, heads, n, 2), nil, nil); err != nil {
		t.Fatal(err)
	}
	apart := testkit.Must(NewBuilder(p.params()))(t)
	for h := range heads {
		if err := apart.Add(h, ks[h].View(), vs[h].View(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(held(t, b), held(t, apart)) {
		t.Error("all heads at once and head by head give other bits")
	}
	partial := exported(t, b)
	r := silent(t, b)
	q := testkit.Ball(testkit.Rand(60), 5, 4, 1)
	queries := slices.Concat(q.Data, q.Data, q.Data)
	out, lse := make([]float64, heads*5*2), make([]float64, heads*5)
	l := tensor.Of(lse, heads, 5, 1)
	if _, err := r.Attend(tensor.Of(queries, heads, 5, 4), tensor.Of(out, heads, 5, 2), &l, nil); err != nil {
		t.Fatal(err)
	}
	for h := range heads {
		// Softmax itself, from the keys as they were given: degree 4 at b = 1/2 is within 1e-4.
		for i := range 5 {
			sum, den := [2]float64{}, 0.0
			for j := range n {
				dot := 0.0
				for c := range 4 {
					dot += q.Row(i)[c] * ks[h].Row(j)[c]
				}
				w := math.Exp(p.Scale * dot)
				den += w
				sum[0] += w * vs[h].Row(j)[0]
				sum[1] += w * vs[h].Row(j)[1]
			}
			for c := range 2 {
				if got, want := out[(h*5+i)*2+c], sum[c]/den; math.Abs(got-want) > 1e-3 {
					t.Errorf("head %d query %d column %d: %v, softmax %v", h, i, c, got, want)
				}
			}
			if math.Abs(lse[h*5+i]-math.Log(den)) > 1e-3 {
				t.Errorf("head %d query %d: lse %v, softmax %v", h, i, lse[h*5+i], math.Log(den))
			}
		}
	}
	noisy := testkit.Must(testkit.Must(ImportSecret(partial))(t).Release(someBudget, nil))(t)
	mu, _ := privacy.Mu(1, 1e-5)
	sum := 0.0
	c := certificateOf(t, noisy)
	s2, _ := new(big.Float).SetInt(c.squared()).Float64()
	for h, w := range p.HeadWeights {
		part := s2 / math.Pow(float64(c.Noise.Terms[h].Sigma), 2)
		sum += part
		if share := part / (mu * mu); math.Abs(share-w/8) > 1e-4 {
			t.Errorf("head %d has %v of mu^2, want %v", h, share, w/8)
		}
		if c.Rows[h] != n {
			t.Errorf("REPLACE publishes the number of rows; head %d says %d", h, c.Rows[h])
		}
	}
	if c.Mu > mu*(1+1e-12) || math.Abs(math.Sqrt(sum)-c.Mu) > 1e-9 {
		t.Errorf("mu is %v; the budget allows %v and the heads add up to %v", c.Mu, mu, math.Sqrt(sum))
	}
}

// Promise 4: sigma/Delta at (1, 1e-5).
func TestNoiseOfBothAdjacencies(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*settings)
		ratio     float64 // sigma over sqrt(Phi2 (Value2 + lambda^2)), the ADD_REMOVE sensitivity
		sharper   bool
		tolerance float64
	}{
		{"add_remove", func(p *settings) { p.Adjacency = AddRemove }, 3.7306316348159418322, false, 1e-6},
		{"replace", func(p *settings) { p.Adjacency, p.Lambda = Replace, 2*p.ValueBound },
			7.4612632696318836644, false, 1e-6},
		// lambda^2 = V/2 up to rounding: 2 sqrt(P V) / sqrt(P (V + V/2)) = 2 sqrt(2/3) of the
		// ADD_REMOVE sensitivity.
		{"replace, sharper", func(p *settings) { p.Adjacency, p.Lambda = Replace, p.ValueBound/math.Sqrt2 },
			3.7306316348159418322 * 2 * math.Sqrt(2./3), true, 2e-3},
		{"add_remove, owners of 5", func(p *settings) { p.Adjacency, p.OwnerRows = AddRemove, 5 },
			5 * 3.7306316348159418322, false, 1e-6},
		{"add_remove, owners of norm 2.5", func(p *settings) {
			p.Adjacency, p.OwnerRows, p.OwnerBound = AddRemove, 100, 2.5
		}, 2.5 * 3.7306316348159418322, false, 1e-6},
		{"replace, owners of norm 2.5", func(p *settings) {
			p.Adjacency, p.OwnerRows, p.OwnerBound = Replace, 100, 2.5
		}, 2.5 * 7.4612632696318836644, false, 1e-6},
	} {
		p := smallParams()
		c.change(&p)
		m, err := newMechanism(p.params())
		if err != nil {
			t.Fatal(err)
		}
		got := certificateOf(t, drafted(newBuilder(m, testkit.Must(m.NewSums())(t)), someBudget, 1))
		b := got.Sensitivity
		lambda2 := uint64(b.Lambda) * uint64(b.Lambda)
		ratio := float64(got.Noise.Terms[0].Sigma) / math.Sqrt(float64(b.PhiSquared)*float64(b.ValueSquared+lambda2))
		if math.Abs(ratio/c.ratio-1) > c.tolerance || b.Sharper != c.sharper {
			t.Errorf("%s: sigma/Delta is %v (sharper bound: %v), want %v", c.name, ratio, b.Sharper, c.ratio)
		}
	}
}

func someRelease(t testing.TB, p settings) *Release {
	return testkit.Must(
		built(t, p, testkit.Ball(testkit.Rand(70), 500, p.KeyDim, 1),
			testkit.Ball(testkit.Rand(71), 500, p.ValueDim, 1)).Release(someBudget, nil),
	)(t)
}

func TestSaveLoad(t *testing.T) {
	for _, adjacency := range []Adjacency{AddRemove, Replace} {
		p := smallParams()
		p.Adjacency = adjacency
		r := someRelease(t, p)
		file := saved(t, r)
		if uint64(len(file)) != r.Info().SaveBytes {
			t.Errorf("%d bytes; Info says %d", len(file), r.Info().SaveBytes)
		}
		s := testkit.Must(Load(file))(t)
		if !reflect.DeepEqual(s.Info(), r.Info()) || !bytes.Equal(s.Certificate(), r.Certificate()) ||
			!bytes.Equal(saved(t, s), file) ||
			!slices.Equal(s.State(), r.State()) {
			t.Error("the loaded release differs")
		}
		q := testkit.Ball(testkit.Rand(72), 100, p.KeyDim, 3)
		a, la, sa := attended(t, r, q)
		b, lb, sb := attended(t, s, q)
		for _, pair := range [][2]testkit.Matrix{{a, b}, {la, lb}, {sa, sb}} {
			if !slices.Equal(pair[0].Data, pair[1].Data) {
				t.Error("the loaded release answers differently")
			}
		}
	}
}

// Promise 13: every truncation and every flipped bit of a small file is found.
func TestDamagedFiles(t *testing.T) {
	p := settings{KeyDim: 1, ValueDim: 1, Degree: 1, Adjacency: AddRemove, KeyBound: 1, ValueBound: 1, QueryBound: 1}
	release := saved(t, someRelease(t, p))
	p.OwnerRows = 1
	b := testkit.Must(NewBuilder(p.params()))(t)
	if err := b.Add(0, testkit.Zeros(2, 1).View(), testkit.Zeros(2, 1).View(), []uint64{1, 2}, nil); err != nil {
		t.Fatal(err)
	}
	cells := smallCodebook()
	cells.OwnerRows = 1
	held := testkit.Must(NewBuilder(cells.params()))(t)
	if err := held.Add(0, testkit.Zeros(2, 1).View(), testkit.Zeros(2, 1).View(), []uint64{1, 2}, nil); err != nil {
		t.Fatal(err)
	}
	loadRelease := func(d []byte) error { _, err := Load(d); return err }
	loadPartial := func(d []byte) error { _, err := ImportSecret(d); return err }
	for _, f := range []struct {
		name string
		data []byte
		load func([]byte) error
	}{
		{"release", release, loadRelease},
		{"partial", exported(t, b), loadPartial},
		{"codebook release", saved(t, someRelease(t, smallCodebook())), loadRelease},
		{"codebook partial", exported(t, held), loadPartial},
	} {
		if err := f.load(f.data); err != nil {
			t.Fatal(err)
		}
		for n := range f.data {
			if code := fault.CodeOf(f.load(f.data[:n])); code != fault.Corrupt {
				t.Errorf("%s cut to %d bytes: code %d", f.name, n, code)
			}
		}
		for bit := range 8 * len(f.data) {
			altered := slices.Clone(f.data)
			altered[bit/8] ^= 1 << (bit % 8)
			if code := fault.CodeOf(f.load(altered)); code != fault.Corrupt {
				t.Errorf("%s with bit %d flipped: code %d", f.name, bit, code)
			}
		}
	}
	if _, err := Load(exported(t, b)); fault.CodeOf(err) != fault.Corrupt ||
		!bytes.Contains([]byte(err.Error()), []byte("secret partial")) {
		t.Errorf("a partial taken for a release: %v", err)
	}
}

// smallCodebook is a codebook release with a small file.
func smallCodebook() settings {
	return settings{
		KeyDim: 1, ValueDim: 1, Adjacency: Replace, KeyBound: 1, ValueBound: 1, Scale: 1,
		Mechanism: codebook.Number, Cells: 2, Codebook: []float64{0.5, -0.5},
	}
}

// What the decoder takes for a codebook release gives what its certificate claims: every byte of
// small files, the sums apart, set to other values and sealed anew. The sensitivity is worked out
// once more from what the certificate says (core/codebook/PROOF.md), and so is delta, in floating
// point.
func TestAcceptedCodebookFilesKeepTheirClaim(t *testing.T) {
	rows, owners, clipped, heads := smallCodebook(), smallCodebook(), smallCodebook(), smallCodebook()
	rows.Lambda = 3
	owners.Adjacency, owners.OwnerRows = AddRemove, 3
	clipped.OwnerRows, clipped.OwnerBound = 4, 1.5
	heads.Heads, heads.Codebook, heads.HeadWeights = 2, []float64{0.5, -0.5, 0.1, 0.2}, []float64{1, 2}
	changes := []byte{1, 144, 2, 3, 4, 8, 16, 32, 64, 128, 255}
	for name, p := range map[string]settings{
		"rows": rows, "same cell": smallCodebook(), "owners": owners, "clipped": clipped, "heads": heads,
	} {
		r := testkit.Must(testkit.Must(NewBuilder(p.params()))(t).Release(someBudget, nil))(t)
		file, accepted := saved(t, r), 0
		for at := range len(file) - 32 - 8*len(r.State()) {
			for _, change := range changes[:testkit.Size(2, len(changes))] {
				altered := slices.Clone(file)
				altered[at] ^= change
				r, err := Load(resealed(altered))
				if err == nil {
					if accepted++; accepted%testkit.Size(20, 4) == 0 { // certificates take long
						keepsItsClaim(t, fmt.Sprintf("%s, byte %d ^ %d", name, at, change), certificateOf(t, r))
					}
				} else if code := fault.CodeOf(err); code != fault.Corrupt && code != fault.Unsupported {
					t.Fatalf("%s, byte %d ^ %d: %v", name, at, change, err)
				}
			}
		}
		if accepted < 40 {
			t.Errorf("%s: only %d files were accepted", name, accepted)
		}
	}
}

// keepsItsClaim checks a codebook release's certificate by itself.
func keepsItsClaim(t *testing.T, name string, c certificate) {
	t.Helper()
	value := big.NewInt(1 << 20)
	row := big.NewInt(int64(c.Sensitivity.Lambda))
	row.Mul(row, row).Add(row, value)
	rows, factor := new(big.Rat).SetInt64(int64(c.Unit.MaxRows)), int64(1)
	if c.Unit.OwnerBound != nil {
		rows.SetFloat64(*c.Unit.OwnerBound)
	}
	squared := new(big.Rat).Mul(rows, rows)
	switch replace := c.Adjacency == "replace"; {
	case replace && c.Unit.OwnerBound != nil:
		factor = 4
	case replace && row.Cmp(new(big.Int).Lsh(value, 1)) >= 0:
		factor = 2
	case replace:
		factor, row = 4, value
	}
	squared.Mul(squared, new(big.Rat).SetInt(row))
	want := new(big.Int).Div(squared.Num(), squared.Denom())
	want.Mul(want, big.NewInt(factor))
	if c.squared().Cmp(want) != 0 || c.Sensitivity.ValueSquared != 1<<20 {
		t.Fatalf("%s: the squared sensitivity is %v, want %v", name, c.squared(), want)
	}
	square := 0.0
	delta2, _ := want.Float64()
	for _, term := range c.Noise.Terms {
		square += float64(term.Heads) * delta2 / float64(term.Sigma) / float64(term.Sigma)
	}
	mu := math.Sqrt(square)
	phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	delta := phi(mu/2-c.Epsilon/mu) - math.Exp(c.Epsilon)*phi(-mu/2-c.Epsilon/mu)
	if delta > c.Delta*(1+1e-4) || math.Abs(c.Mu/mu-1) > 1e-12 {
		t.Fatalf("%s: mu %v, delta %v at epsilon %v; it claims %v and %v", name, mu, delta, c.Epsilon, c.Mu, c.Delta)
	}
}

// resealed computes the checksum anew: what an attacker does.
func resealed(data []byte) []byte {
	if len(data) < 32 {
		return data
	}
	w := wire.Writer{Buf: slices.Clone(data[:len(data)-32])}
	w.Seal()
	return w.Buf
}

// A file whose noise is smaller than its claim is refused even with a right checksum.
func TestFalseClaim(t *testing.T) {
	r := someRelease(t, smallParams())
	less := func(sigma uint64) uint64 { return sigma - 1 }
	if _, err := Load(withSigma(t, r, 0, less)); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("sigma one too small: %v", err)
	}
	r.budget.Epsilon *= 1 - 1e-6
	if _, err := Load(resealed(saved(t, r))); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("epsilon a little too small: %v", err)
	}
	// Sigma far too small to be seen in a rounded delta, and a delta next to 1, which any sum of
	// rounded numbers may pass.
	for _, b := range []privacy.Budget{{Epsilon: 1e-6, Delta: 1e-9}, {Epsilon: 1, Delta: 1 - 1e-12}} {
		r := testkit.Must(testkit.Must(NewBuilder(smallParams().params()))(t).Release(b, nil))(t)
		if _, err := Load(saved(t, r)); err != nil {
			t.Errorf("%v: an honest file: %v", b, err)
		}
		if _, err := Load(withSigma(t, r, 0, less)); fault.CodeOf(err) != fault.Corrupt {
			t.Errorf("%v: sigma one too small: %v", b, err)
		}
	}
	// More different sigmas than are added up as one fraction.
	p := smallParams()
	p.Heads, p.HeadWeights = 100, make([]float64, 100)
	for h := range p.HeadWeights {
		p.HeadWeights[h] = float64(h + 1)
	}
	r = testkit.Must(testkit.Must(NewBuilder(p.params()))(t).Release(someBudget, nil))(t)
	if _, err := Load(saved(t, r)); err != nil {
		t.Errorf("100 sigmas: %v", err)
	}
	muchLess := func(sigma uint64) uint64 { return sigma - sigma/1000 }
	if _, err := Load(withSigma(t, r, 50, muchLess)); fault.CodeOf(err) != fault.Corrupt {
		t.Errorf("100 sigmas, one too small: %v", err)
	}
}

// fuzzFile starts from seeds and from the stored files of a kind, ".partial" for one.
func fuzzFile(
	f *testing.F, seeds [][]byte, kind string, load func(testing.TB, []byte) error, more ...fault.Code,
) {
	stored, err := filepath.Glob("../tests/stored/*/*" + kind)
	if err != nil || len(stored) == 0 {
		f.Fatal("no stored files", err)
	}
	for _, path := range stored {
		seeds = append(seeds, testkit.Must(os.ReadFile(path))(f))
	}
	for _, s := range seeds {
		if len(s) < 4096 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, resealed(data)} {
			if code := fault.CodeOf(load(t, d)); !slices.Contains(
				append(more, fault.OK, fault.Corrupt, fault.Unsupported, fault.OutOfMemory),
				code,
			) {
				t.Fatalf("code %d", code)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	p := settings{KeyDim: 2, ValueDim: 1, Degree: 2, Adjacency: Replace, KeyBound: 1, ValueBound: 1, QueryBound: 1}
	q := p
	q.Heads, q.Center, q.HeadWeights = 2, []float64{1, 2, 3, 4}, []float64{1, 2}
	both := testkit.Must(NewBuilder(q.params()))(f)
	fuzzFile(
		f,
		[][]byte{
			saved(f, someRelease(f, p)), saved(f, testkit.Must(both.Release(someBudget, nil))(f)),
			saved(f, someRelease(f, smallCodebook())),
		},
		".dpa",
		func(t testing.TB, d []byte) error {
			r, err := Load(d)
			if err == nil {
				x := testkit.Zeros(3, r.mechanism.Params().KeyDim)
				if r.mechanism.Params().Heads == 1 {
					attended(t, r, x)
				}
				if d[len(d)-1]%32 == 0 { // it takes half a second and more
					r.Certificate()
				}
			}
			return err
		},
	)
}

func FuzzImportSecret(f *testing.F) {
	p := settings{KeyDim: 2, ValueDim: 1, Degree: 2, Adjacency: Replace, KeyBound: 1, ValueBound: 1, QueryBound: 1}
	q := p
	q.OwnerRows, q.OwnerBound = 2, 1.5
	owned := testkit.Must(NewBuilder(q.params()))(f)
	if err := owned.Add(0, testkit.Zeros(3, 2).View(), testkit.Zeros(3, 1).View(), []uint64{1, 2, 1}, nil); err != nil {
		f.Fatal(err)
	}
	rows := built(f, p, testkit.Ball(testkit.Rand(80), 10, 2, 1), testkit.Ball(testkit.Rand(81), 10, 1, 1))
	column := func(seed uint64) testkit.Matrix { return testkit.Ball(testkit.Rand(seed), 10, 1, 1) }
	cells := built(f, smallCodebook(), column(82), column(83))
	q = smallCodebook()
	q.OwnerRows, q.OwnerBound = 2, 1.5
	held := testkit.Must(NewBuilder(q.params()))(f)
	if err := held.Add(0, testkit.Zeros(3, 1).View(), testkit.Zeros(3, 1).View(), []uint64{1, 2, 1}, nil); err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{exported(f, rows), exported(f, owned), exported(f, cells), exported(f, held)}
	fuzzFile(f, seeds, ".partial", func(t testing.TB, d []byte) error {
		b, err := ImportSecret(d)
		if err == nil {
			was, _ := parted(d)
			if is, _ := parted(exported(t, b)); !bytes.Equal(is, was) {
				t.Fatalf("origins %x became %x", was, is)
			}
			if b.Info().StateBytes > 1<<16 {
				return nil // noise for a large state takes long, and is no other noise
			}
			if _, err := b.Release(someBudget, nil); err != nil && fault.CodeOf(err) != fault.Limit {
				t.Fatal(err) // of very many copies of a structure noise may not fit
			}
		}
		return err
	}, fault.Limit)
}

// What the certificate says is what the release does.
func TestCertificate(t *testing.T) {
	p := smallParams()
	p.OwnerRows = 3
	b := testkit.Must(NewBuilder(p.params()))(t)
	r := testkit.Must(b.Release(someBudget, nil))(t)
	c := certificateOf(t, r)
	num, _ := new(big.Int).SetString(c.MuSquared.Numerator, 10)
	den, _ := new(big.Int).SetString(c.MuSquared.Denominator, 10)
	sigma := new(big.Int).SetUint64(c.Noise.Terms[0].Sigma)
	want := new(big.Rat).SetFrac(c.squared(), sigma.Mul(sigma, sigma))
	if new(big.Rat).SetFrac(num, den).Cmp(want) != 0 {
		t.Errorf("mu^2 is %v/%v, want %v", num, den, want)
	}
	if mu, _ := want.Float64(); math.Abs(math.Sqrt(mu)/c.Mu-1) > 1e-15 || c.Mu*c.Mu < mu*(1-1e-15) {
		t.Errorf("mu is %v, mu^2 %v", c.Mu, mu)
	}
	if c.Rows != nil {
		t.Error("ADD_REMOVE must not publish the number of rows")
	}
	if c.Unit != (mechanism.Unit{Kind: "owner", MaxRows: 3}) || c.Adjacency != "add_remove" ||
		c.Groups[0].Epsilon > 1+1e-9 ||
		c.Groups[0].Epsilon < 0.9999 {
		t.Errorf("certificate %+v", c)
	}
	// Under owner-level REPLACE an owner's rows may become fewer: their number is no public figure.
	p.Adjacency = Replace
	k, v := testkit.Zeros(6, 5), testkit.Zeros(6, 3)
	b = testkit.Must(NewBuilder(p.params()))(t)
	if err := b.Add(0, k.View(), v.View(), []uint64{1, 1, 2, 2, 3, 3}, nil); err != nil {
		t.Fatal(err)
	}
	r = testkit.Must(b.Release(someBudget, nil))(t)
	end := saved(t, r)[r.size-32-int(r.mechanism.StateLen()):]
	if c := certificateOf(t, r); c.Rows != nil || binary.LittleEndian.Uint64(headsOf(r, end)[8:]) != 0 {
		t.Error("owner-level REPLACE published the number of rows")
	}
}

// Answers do not depend on threads, on the batch they come in, nor on the element type's width
// beyond its rounding; strange queries have stated answers.
func TestAttend(t *testing.T) {
	p := settings{
		KeyDim:     9,
		ValueDim:   4,
		Degree:     3,
		Adjacency:  AddRemove,
		KeyBound:   1,
		ValueBound: 1,
		QueryBound: 2,
		Scale:      1,
	}
	r := someRelease(t, p)
	q := testkit.Ball(testkit.Rand(90), 77, 9, 2)
	want, lse, _ := attended(t, r, q)
	defer func() { _ = SetThreads(0) }()
	for _, threads := range []int{1, 2, 5} {
		_ = SetThreads(threads)
		if got, _, _ := attended(t, r, q); !slices.Equal(got.Data, want.Data) {
			t.Errorf("%d threads: other bits", threads)
		}
		for i := range q.Rows {
			if got, _, _ := attended(t, r, q.Slice(i, i+1)); !slices.Equal(got.Data, want.Row(i)) {
				t.Errorf("query %d alone: other bits", i)
			}
		}
	}
	q32, out32 := make([]float32, len(q.Data)), make([]float32, len(want.Data))
	for i, x := range q.Data {
		q32[i] = float32(x)
	}
	if _, err := r.Attend(tensor.Of(q32, 77, 9), tensor.Of(out32, 77, 4), nil, nil); err != nil {
		t.Fatal(err)
	}
	for i, x := range out32 {
		if math.Abs(float64(x)-want.Data[i]) > 1e-4 {
			t.Fatalf("f32 answer %d: %v, f64 %v", i, x, want.Data[i])
		}
	}
	// Longer queries are scaled to the bound; NaN and Inf give NaN; all are counted.
	odd := testkit.Zeros(4, 9)
	for j, x := range q.Row(0) {
		odd.Row(0)[j] = x / testkit.Norm(q.Row(0)) * 50
		odd.Row(3)[j] = x / testkit.Norm(q.Row(0)) * 2
	}
	odd.Row(1)[3], odd.Row(2)[8] = math.NaN(), math.Inf(1)
	out, l := testkit.Zeros(4, 4), testkit.Zeros(4, 1)
	lv := l.View()
	clipped, err := r.Attend(odd.View(), out.View(), &lv, nil)
	if err != nil || clipped != 3 {
		t.Errorf("clipped %d, %v", clipped, err)
	}
	for c := range 4 {
		if math.Abs(out.Row(0)[c]-out.Row(3)[c]) > 1e-9 {
			t.Error("a long query must count as the one at the bound")
		}
		if out.Row(1)[c] == out.Row(1)[c] || out.Row(2)[c] == out.Row(2)[c] {
			t.Error("queries with NaN or Inf must give NaN")
		}
	}
	if l.Data[1] == l.Data[1] {
		t.Error("lse of a query with NaN must be NaN")
	}
	for i := range q.Rows {
		if o := want.Row(i); testkit.Norm(o) > 1+1e-12 || math.IsNaN(lse.Data[i]) {
			t.Errorf("query %d: |out| = %v, lse = %v", i, testkit.Norm(o), lse.Data[i])
		}
	}
}

// Merging private parts by lse is attention over the union: exact softmax computed apart and merged
// equals softmax of all.
func TestMergeAttention(t *testing.T) {
	r := testkit.Rand(95)
	softmax := func(k, v, q testkit.Matrix) (out, lse testkit.Matrix) {
		out, lse = testkit.Zeros(q.Rows, v.Cols), testkit.Zeros(q.Rows, 1)
		for i := range q.Rows {
			den := 0.0
			for j := range k.Rows {
				dot := 0.0
				for c, x := range q.Row(i) {
					dot += x * k.Row(j)[c]
				}
				w := math.Exp(dot)
				den += w
				for c, x := range v.Row(j) {
					out.Row(i)[c] += w * x
				}
			}
			for c := range out.Row(i) {
				out.Row(i)[c] /= den
			}
			lse.Data[i] = math.Log(den)
		}
		return out, lse
	}
	k, v, q := testkit.Ball(r, 30, 4, 3), testkit.Ball(r, 30, 2, 1), testkit.Ball(r, 8, 4, 3)
	all, lall := softmax(k, v, q)
	a, la := softmax(k.Slice(0, 11), v.Slice(0, 11), q)
	b, lb := softmax(k.Slice(11, 30), v.Slice(11, 30), q)
	lse := la.View()
	// In place: out is outA, lse is lseA.
	if err := MergeAttention(a.View(), la.View(), b.View(), lb.View(), a.View(), &lse); err != nil {
		t.Fatal(err)
	}
	for i := range all.Data {
		if math.Abs(a.Data[i]-all.Data[i]) > 1e-12 {
			t.Errorf("output %d: %v, want %v", i, a.Data[i], all.Data[i])
		}
	}
	for i := range lall.Data {
		if math.Abs(la.Data[i]-lall.Data[i]) > 1e-12 {
			t.Errorf("lse %d: %v, want %v", i, la.Data[i], lall.Data[i])
		}
	}
	empty, none := testkit.Dense(8, 2, slices.Repeat([]float64{math.NaN()}, 16)), testkit.Dense(
		8,
		1,
		slices.Repeat([]float64{math.Inf(-1)}, 8),
	)
	out := testkit.Zeros(8, 2)
	if err := MergeAttention(all.View(), lall.View(), empty.View(), none.View(), out.View(), nil); err != nil ||
		!slices.Equal(out.Data, all.Data) {
		t.Errorf("merging with an empty set must change nothing: %v", err)
	}
	if err := MergeAttention(all.View(), lall.View(), b.Slice(0, 7).View(), lb.View(), out.View(), nil); fault.CodeOf(
		err,
	) != fault.InvalidArgument {
		t.Errorf("shapes that differ: %v", err)
	}
}

// Plan predicts what a release then has.
func TestPlan(t *testing.T) {
	p := smallParams()
	got := testkit.Must(Plan(p.params(), 500, someBudget, 0.01))(t)
	r := someRelease(t, p)
	info := r.Info()
	if got.Degree != 3 || got.Features != info.Features || got.StateBytes != info.StateBytes ||
		got.ReleaseBytes != info.SaveBytes ||
		math.Abs(got.Mu/info.Mu-1) > 1e-12 {
		t.Errorf("plan %+v, release %+v", got, info)
	}
	// The design's formula for the noise at the bound: p+(b) sqrt(B_v^2 + lambda^2)/mu over the
	// number of rows.
	exp := testkit.Must(poly.Exp(poly.Minimax, 3, info.LogitBound))(t)
	want := exp.Plus() * math.Hypot(2, info.Mechanism.(moment.Params).Lambda) / got.Mu / 500
	if math.Abs(got.NoiseStddev/want-1) > 0.01 || math.Abs(got.NoiseStddevWorst/got.NoiseStddev/math.Exp(2)-1) > 1e-9 {
		t.Errorf("noise %v (worst %v), want %v", got.NoiseStddev, got.NoiseStddevWorst, want)
	}
	if again := testkit.Must(Plan(p.params(), got.RowsForError, someBudget, 0))(t); again.NoiseStddev > 0.01 ||
		again.NoiseStddev < 0.0099 {
		t.Errorf("%d rows give %v, wanted 0.01", got.RowsForError, again.NoiseStddev)
	}
	p.Degree = 0
	few, many := testkit.Must(
		Plan(p.params(), 30, someBudget, 0),
	)(
		t,
	), testkit.Must(
		Plan(p.params(), 100000000, someBudget, 0),
	)(t)
	if few.Degree >= many.Degree {
		t.Errorf("degree %d for few rows, %d for many: more rows deserve a higher degree", few.Degree, many.Degree)
	}
	if _, err := Plan(p.params(), 0, someBudget, 0); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("no rows: %v", err)
	}
	if _, err := Plan(p.params(), 10, someBudget, math.NaN()); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("target NaN: %v", err)
	}
}

// A plan for an arg-max: the relative error of Taylor polynomials at -b grows with the degree, but
// heavy weights are what matters.
func TestPlanTaylor(t *testing.T) {
	p := settings{
		KeyDim:     64,
		ValueDim:   8,
		Adjacency:  AddRemove,
		KeyBound:   1,
		ValueBound: 1,
		QueryBound: 1,
		Scale:      4,
		Polynomial: moment.Taylor,
	}
	budget := privacy.Budget{Epsilon: 1, Delta: 1e-6}
	var errors []float64
	for p.Degree = 1; p.Degree <= 4; p.Degree++ {
		r := testkit.Must(Plan(p.params(), 100000, budget, 0))(t)
		errors = append(errors, r.PolynomialError)
	}
	p.Degree = 0
	if r := testkit.Must(Plan(p.params(), 100000, budget, 0))(t); r.Degree != 4 || r.PolynomialError != errors[3] ||
		errors[3] < errors[0] {
		t.Errorf("plan chooses degree %d with polynomial error %v; want 4 with the last of %v", r.Degree,
			r.PolynomialError, errors)
	}
}

// A release can be made of no rows at all: their number is private.
func TestEmptyRelease(t *testing.T) {
	for _, adjacency := range []Adjacency{AddRemove, Replace} {
		p := smallParams()
		p.Adjacency = adjacency
		r := testkit.Must(testkit.Must(NewBuilder(p.params()))(t).Release(someBudget, nil))(t)
		out, lse, std := attended(t, r, testkit.Ball(testkit.Rand(1), 3, 5, 2))
		for _, x := range slices.Concat(out.Data, lse.Data, std.Data) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("%v: %v", adjacency, fmt.Sprint(out, lse, std))
			}
		}
	}
}

// Attending allocates nothing, alone and in batches, on one thread and on several.
func TestAttendAllocatesNothing(t *testing.T) {
	defer func() { _ = SetThreads(0) }()
	for _, p := range []settings{
		{KeyDim: 8, ValueDim: 4},
		{KeyDim: 64, ValueDim: 150}, // in 16 bits, where there are kernels for that
		{KeyDim: 8, ValueDim: 4, Mechanism: codebook.Number, Cells: 20},
		{KeyDim: 64, ValueDim: 20, Mechanism: codebook.Number, Cells: 2000}, // in parts
	} {
		d, dv := p.KeyDim, p.ValueDim
		p.Adjacency, p.KeyBound, p.ValueBound, p.Scale = AddRemove, 1, 1, 1
		if p.Cells > 0 {
			p.Codebook = testkit.Ball(testkit.Rand(2), p.Cells, d, 1).Data
		} else {
			p.Degree, p.QueryBound = 2, 2
		}
		r := someRelease(t, p)
		for _, c := range []struct{ threads, m int }{{1, 1}, {1, 40}, {1, 200}, {2, 1}, {2, 40}, {2, 200}} {
			_ = SetThreads(c.threads)
			q, out := testkit.Ball(testkit.Rand(1), c.m, d, 2), testkit.Zeros(c.m, dv)
			lse, std := testkit.Zeros(c.m, 1), testkit.Zeros(c.m, dv)
			l, s := lse.View(), std.View()
			attend := func() {
				if _, err := r.Attend(q.View(), out.View(), &l, &s); err != nil {
					t.Fatal(err)
				}
			}
			attend()
			if n := testing.AllocsPerRun(100, attend); n >= 1 { // a garbage collection may empty the pools once
				t.Errorf("%d cells, d = %d, %+v: %v allocations a call", p.Cells, d, c, n)
			}
		}
	}
}
