package core_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dpattn/core"
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/ledger"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
	"dpattn/simd"
	"dpattn/tests/testkit"
)

// storedFolder holds what version 0.1.0 wrote, and what it said and answered; its README says how.
const storedFolder = "../tests/stored/0.1.0"

// storedCase is a release, or a structure, in the manifest.
type storedCase struct {
	Name        string                     `json:"name"`
	Kind        string                     `json:"kind"`
	Params      map[string]json.RawMessage `json:"params"`
	Budget      privacy.Budget             `json:"budget"`
	Rows        int                        `json:"rows"`
	Owners      int                        `json:"owners"`
	Queries     int                        `json:"queries"`
	Diagnostics map[string]storedCounts    `json:"diagnostics"`
	State       string                     `json:"state_sha256"`
}

// storedCounts are core.Diagnostics with their names in the manifest.
type storedCounts struct {
	Rows          uint64 `json:"rows"`
	KeysClipped   uint64 `json:"keys_clipped"`
	ValuesClipped uint64 `json:"values_clipped"`
	RowsZeroed    uint64 `json:"rows_zeroed"`
	RowsShrunk    uint64 `json:"rows_shrunk"`
	RowsDropped   uint64 `json:"rows_dropped"`
	Owners        uint64 `json:"owners"`
	OwnersClipped uint64 `json:"owners_clipped"`
}

type storedLedger struct {
	Name     string `json:"name"`
	Releases []struct {
		Label   string `json:"label"`
		Case    string `json:"case"`
		Digest  string `json:"release_sha256"`
		Request string `json:"request_sha256"`
	} `json:"releases"`
}

type manifest struct {
	Version    string         `json:"version"`
	Releases   []storedCase   `json:"releases"`
	Structures []storedCase   `json:"structures"`
	Ledgers    []storedLedger `json:"ledgers"`
	Answers    []struct {
		Kernels []string                     `json:"kernels"`
		Of      map[string]map[string]answer `json:"of"`
	} `json:"answers"`
}

// answer is an array of float64, or a number of queries.
type answer []float64

func (a *answer) UnmarshalJSON(text []byte) error {
	var count float64
	if json.Unmarshal(text, &count) == nil {
		*a = answer{count}
		return nil
	}
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	raw, err := hex.DecodeString(digits)
	for ; len(raw) >= 8; raw = raw[8:] {
		*a = append(*a, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
	}
	return err
}

func readManifest(t *testing.T) (m manifest) {
	t.Helper()
	testkit.ReadJSON(t, filepath.Join(storedFolder, "manifest.json"), &m)
	if len(m.Releases) == 0 || len(m.Structures) == 0 || len(m.Ledgers) == 0 {
		t.Fatal("the manifest is empty")
	}
	return m
}

func storedFile(t testing.TB, name string) []byte {
	t.Helper()
	return testkit.Must(os.ReadFile(filepath.Join(storedFolder, name)))(t)
}

// params reads the case's parameters, which have the names of dpattn_params.
func (c storedCase) params(t *testing.T) core.Params {
	t.Helper()
	words := map[string]int64{
		"gaussian": 1, "dptree": 2, "add_remove": 1, "replace": 2, "taylor": 2, "none": 2,
	}
	whole := map[string]int64{}
	var own []mechanism.Field
	for name, raw := range c.Params {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatal(err)
		}
		switch v := value.(type) {
		case string:
			whole[name] = words[v]
			value = words[v]
		case []any:
			list := make([]float64, len(v))
			for i := range v {
				list[i] = v[i].(float64)
			}
			value = list
		case float64:
			switch name {
			case "heads", "key_dim", "value_dim", "owner_rows", "degree", "leaves", "copies":
				whole[name] = int64(v)
				value = int64(v)
			case "rows":
				value = uint64(v)
			}
		}
		if !slices.Contains([]string{"heads", "key_dim", "value_dim", "owner_rows", "mechanism", "adjacency"}, name) {
			own = append(own, mechanism.Field{Name: name, Value: value})
		}
	}
	shared := core.Params{
		Heads: int(whole["heads"]), KeyDim: int(whole["key_dim"]), ValueDim: int(whole["value_dim"]),
		OwnerRows: int(whole["owner_rows"]), Adjacency: core.Adjacency(whole["adjacency"]),
	}
	return testkit.Must(core.ReadParams(shared, int32(whole["mechanism"]), own))(t)
}

// storedNumbers are what tests/stored/cases.py calls numbers.
func storedNumbers(seed uint64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		seed = seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
		out[i] = float64(int64(seed)>>49) / (1 << 13)
	}
	return out
}

// rows are the case's rows from lo to hi, as tests/stored/cases.py makes them.
func (c storedCase) rows(p core.Params, lo, hi int) (keys, values tensor.Tensor, owners []uint64) {
	heads, d, dv := max(p.Heads, 1), p.KeyDim, p.ValueDim
	k, v := storedNumbers(1, heads*c.Rows*d), storedNumbers(2, heads*c.Rows*dv)
	for i := range heads * c.Rows {
		key, value := k[i*d:(i+1)*d], v[i*dv:(i+1)*dv]
		switch j := i % c.Rows; {
		case j%4 == 0:
			for x := range key {
				key[x] /= 8
			}
		case j%4 == 1:
			for x := range value {
				value[x] /= 8
			}
		}
		switch i % c.Rows {
		case 3:
			key[0], value[dv-1] = 1e308, -1e308
		case 5:
			value[0] = math.NaN()
		case 7:
			key[d-1] = math.Inf(1)
		}
	}
	for i := range c.Rows {
		if c.Owners > 0 {
			owners = append(owners, uint64(i*i%c.Owners))
		}
	}
	if owners != nil {
		owners = owners[lo:hi]
	}
	part := func(data []float64, width int) tensor.Tensor {
		var out []float64
		for h := range heads {
			out = append(out, data[(h*c.Rows+lo)*width:(h*c.Rows+hi)*width]...)
		}
		return tensor.Of(out, heads, hi-lo, width)
	}
	return part(k, d), part(v, dv), owners
}

func storedExport(t *testing.T, b *core.Builder) []byte {
	t.Helper()
	needed, err := b.ExportSecret(nil)
	if fault.CodeOf(err) != fault.BufferTooSmall {
		t.Fatal(err)
	}
	file := make([]byte, needed)
	testkit.Must(b.ExportSecret(file))(t)
	return file
}

// withoutOrigins is a partial without what is random in it, and without its checksum.
func withoutOrigins(partial []byte) []byte {
	origins := 16 * int(binary.LittleEndian.Uint64(partial[20:]))
	return append(slices.Clone(partial[:20]), partial[28+origins:len(partial)-sha256.Size]...)
}

// sameText compares a certificate with a stored one, in which another version may be named.
func sameText(t *testing.T, got []byte, file, version string) {
	t.Helper()
	want := storedFile(t, file)
	old, now := `"library": "`+version+`"`, `"library": "`+core.Version()+`"`
	if want = bytes.Replace(want, []byte(old), []byte(now), 1); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// want finds the stored answers: of the kernels in use where those have them, and then they are to
// be met bit for bit. Kernels that 0.1.0 had not, and other processors, round alike only nearly.
func (m manifest) want(name string) (of map[string]answer, exact bool) {
	for _, a := range m.Answers {
		if slices.Contains(a.Kernels, simd.Name()) {
			return a.Of[name], runtime.GOARCH == "amd64"
		}
	}
	return m.Answers[len(m.Answers)-1].Of[name], false
}

// sameAnswers compares numbers: bit for bit, or within 1e-5 of the largest among them. Kernels are
// within the tolerance that simd states, not equal in their bits: those of 0.1.0 differ by 9.2e-7
// at most in these files, relative to each number.
func sameAnswers(t *testing.T, what string, got, want []float64, exact bool) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%s: %d numbers, %d stored", what, len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		if w == w {
			largest = max(largest, math.Abs(w))
		}
	}
	for i, w := range want {
		g := got[i]
		same := g == w || g != g && w != w
		if !same && (exact || !(math.Abs(g-w) <= 1e-5*largest)) {
			t.Errorf("%s[%d] is %v; 0.1.0 said %v", what, i, g, w)
		}
	}
}

// Every release that 0.1.0 wrote is read, is written again with the same bytes, has the same state
// and certificate, and answers as it did.
func TestStoredReleases(t *testing.T) {
	m := readManifest(t)
	for _, c := range m.Releases {
		t.Run(c.Name, func(t *testing.T) {
			file := storedFile(t, c.Name+".dpa")
			r := testkit.Must(core.Load(file))(t)
			again := make([]byte, len(file))
			if testkit.Must(r.Save(again))(t); !bytes.Equal(again, file) {
				t.Error("the file written again differs")
			}
			sameText(t, r.Certificate(), c.Name+".certificate.json", m.Version)
			state := sha256.New()
			if err := binary.Write(state, binary.LittleEndian, r.State()); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(state.Sum(nil)); got != c.State {
				t.Errorf("the state has the digest %s; 0.1.0 said %s", got, c.State)
			}

			p := c.params(t)
			heads := max(p.Heads, 1)
			queries := storedNumbers(3, heads*c.Queries*p.KeyDim)
			for i := range heads * c.Queries {
				q := queries[i*p.KeyDim : (i+1)*p.KeyDim]
				if i%c.Queries%2 == 0 {
					for x := range q {
						q[x] /= 4
					}
				}
				if i%c.Queries == 5 {
					q[0] = math.NaN()
				}
			}
			n := heads * c.Queries
			out, std, lse := make([]float64, n*p.ValueDim), make([]float64, n*p.ValueDim), make([]float64, n)
			l, s := tensor.Of(lse, heads, c.Queries, 1), tensor.Of(std, heads, c.Queries, p.ValueDim)
			clipped, err := r.Attend(tensor.Of(queries, heads, c.Queries, p.KeyDim),
				tensor.Of(out, heads, c.Queries, p.ValueDim), &l, &s)
			if err != nil {
				t.Fatal(err)
			}
			want, exact := m.want(c.Name)
			sameAnswers(t, "out", out, want["out"], exact)
			sameAnswers(t, "lse", lse, want["lse"], exact)
			sameAnswers(t, "stddev", std, want["stddev"], exact)
			sameAnswers(t, "clipped", []float64{float64(clipped)}, want["clipped"], true)
		})
	}
}

// Every partial of 0.1.0 is read, counts what it counted, and is written again with the same bytes.
// Two of them merged are the stored one of both; the empty one takes the rows once more and comes
// to the same sums; and what is released from them claims what was claimed.
func TestStoredPartials(t *testing.T) {
	m := readManifest(t)
	for _, c := range m.Releases {
		t.Run(c.Name, func(t *testing.T) {
			p := c.params(t)
			load := func(part string) (*core.Builder, []byte) {
				t.Helper()
				file := storedFile(t, c.Name+"."+part+".partial")
				return testkit.Must(core.ImportSecret(file))(t), file
			}
			half := c.Rows / 2
			parts := map[string][2]int{"empty": {}, "first": {0, half}, "second": {half, c.Rows}, "both": {0, c.Rows}}
			for part, of := range parts {
				b, file := load(part)
				want := core.Diagnostics(c.Diagnostics[part])
				if got := testkit.Must(b.Diagnostics())(t); got != want {
					t.Errorf("%s: it counts %+v; 0.1.0 counted %+v", part, got, want)
				}
				if !bytes.Equal(storedExport(t, b), file) {
					t.Errorf("%s: the partial written again differs", part)
				}
				empty, _ := load("empty")
				if part != "empty" {
					keys, values, owners := c.rows(p, of[0], of[1])
					if err := empty.Add(core.AllHeads, keys, values, owners, nil); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(withoutOrigins(storedExport(t, empty)), withoutOrigins(file)) {
					t.Errorf("%s: the same rows give other sums", part)
				}
			}

			first, _ := load("first")
			second, _ := load("second")
			if err := first.Merge(second); err != nil {
				t.Fatal(err)
			}
			_, both := load("both")
			if !bytes.Equal(storedExport(t, first), both) {
				t.Error("the partials merged differ from the stored one of both")
			}
			fresh := testkit.Must(core.NewBuilder(p))(t)
			if err := first.Merge(fresh); err != nil {
				t.Errorf("a new builder of the same parameters does not fit: %v", err)
			}
			r := testkit.Must(first.Release(c.Budget, nil))(t)
			text := r.Certificate()
			id := func(text []byte) []byte {
				var head struct{ ID string }
				if err := json.Unmarshal(text, &head); err != nil {
					t.Fatal(err)
				}
				return []byte(head.ID)
			}
			was := id(storedFile(t, c.Name+".certificate.json"))
			sameText(t, bytes.Replace(text, id(text), was, 1), c.Name+".certificate.json", m.Version)
		})
	}
}

// Every tree and distance structure of 0.1.0 is read, is written again, and answers as it did.
func TestStoredStructures(t *testing.T) {
	m := readManifest(t)
	for _, c := range m.Structures {
		t.Run(c.Name, func(t *testing.T) {
			file := storedFile(t, c.Name+".dpa")
			number := func(name string) (n int) {
				if err := json.Unmarshal(c.Params[name], &n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			want, exact := m.want(c.Name)
			var again []byte
			var certificate dptree.Certificate
			if c.Kind == "tree" {
				tree := testkit.Must(dptree.DecodeTree(file))(t)
				again, certificate = tree.Encode(), tree.Certificate()
				var sums, stddevs []float64
				for lo := range number("leaves") + 1 {
					for hi := lo; hi <= number("leaves"); hi++ {
						sum, stddev, err := tree.Query(lo, hi)
						if err != nil {
							t.Fatal(err)
						}
						sums, stddevs = append(sums, sum), append(stddevs, stddev)
					}
				}
				sameAnswers(t, "sum", sums, want["sum"], true) // integers, times the unit
				sameAnswers(t, "stddev", stddevs, want["stddev"], exact)
			} else {
				d := testkit.Must(dptree.DecodeHighDim(file))(t)
				again, certificate = d.Encode(), d.Certificate()
				queries := storedNumbers(7, 9*number("dim"))
				var l1, l2 []float64
				for i := range 9 {
					q := queries[i*number("dim") : (i+1)*number("dim")]
					for x := range q {
						q[x] = q[x]/2 + 0.5
					}
					l1 = append(l1, testkit.Must(d.L1(q))(t))
					if want["l2"] != nil {
						l2 = append(l2, testkit.Must(d.L2(q))(t))
					}
				}
				sameAnswers(t, "l1", l1, want["l1"], exact)
				if want["l2"] != nil {
					sameAnswers(t, "l2", l2, want["l2"], exact)
				}
			}
			if !bytes.Equal(again, file) {
				t.Error("the file written again differs")
			}
			text := testkit.Must(json.MarshalIndent(certificate, "", "  "))(t)
			sameText(t, text, c.Name+".certificate.json", m.Version)
		})
	}
}

// Every ledger of 0.1.0 is read and makes the statement that it made. Whoever asks for one of its
// labels again, with the same request, is given the stored release at no cost; another request is
// refused.
func TestStoredLedgers(t *testing.T) {
	m := readManifest(t)
	byName := map[string]storedCase{}
	for _, c := range m.Releases {
		byName[c.Name] = c
	}
	for _, stored := range m.Ledgers {
		t.Run(stored.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.ledger")
			if err := os.WriteFile(path, storedFile(t, stored.Name+".ledger"), 0o600); err != nil {
				t.Fatal(err)
			}
			l := testkit.Must(ledger.Open(path))(t)
			statement := func() []byte {
				book := testkit.Must(l.Book())(t)
				return book.JSON()
			}
			sameText(t, statement(), stored.Name+".statement.json", m.Version)
			for _, want := range stored.Releases {
				c := byName[want.Case]
				digest := func(r *core.Release) string {
					needed, _ := r.Save(nil)
					file := make([]byte, needed)
					testkit.Must(r.Save(file))(t)
					return fmt.Sprintf("%x", sha256.Sum256(file))
				}
				if got := digest(testkit.Must(core.LoadFrom(l, want.Label))(t)); got != want.Digest {
					t.Errorf("%q is the release %s; 0.1.0 made %s", want.Label, got, want.Digest)
				}
				b := testkit.Must(core.NewBuilder(c.params(t)))(t)
				other := c.Budget
				other.Epsilon *= 0.5
				if _, err := b.ReleaseTo(l, want.Label, other, nil); fault.CodeOf(err) != fault.Mismatch {
					t.Errorf("%q with another budget: %v", want.Label, err)
				}
				if got := digest(testkit.Must(b.ReleaseTo(l, want.Label, c.Budget, nil))(t)); got != want.Digest {
					t.Errorf("%q asked for again is the release %s; 0.1.0 made %s", want.Label, got, want.Digest)
				}
			}
			sameText(t, statement(), stored.Name+".statement.json", m.Version) // nothing was spent
		})
	}
}

// The request's digest in a new ledger is that of the stored text, whose SHA-256 0.1.0 wrote.
func TestStoredRequests(t *testing.T) {
	m := readManifest(t)
	var texts map[string]string
	testkit.ReadJSON(t, filepath.Join(storedFolder, "requests.json"), &texts)
	seen := map[string]bool{}
	for _, l := range m.Ledgers {
		for _, r := range l.Releases {
			seen[r.Case] = true
			if got := fmt.Sprintf("%x", sha256.Sum256([]byte(texts[r.Case]))); got != r.Request {
				t.Errorf("%s: the text has the digest %s; 0.1.0 wrote %s", r.Case, got, r.Request)
			}
		}
	}
	for _, c := range m.Releases {
		if !seen[c.Name] {
			t.Errorf("%s: no ledger has it", c.Name)
		}
		path := filepath.Join(t.TempDir(), strings.ReplaceAll(c.Name, "-", "")+".ledger")
		l := testkit.Must(ledger.Create(path, testkit.Must(privacy.NewAllowance(
			privacy.Budget{Epsilon: 9, Delta: 1e-3}, privacy.Budget{Epsilon: 4, Delta: 1e-4}))(t)))(t)
		b := testkit.Must(core.NewBuilder(c.params(t)))(t)
		testkit.Must(b.ReleaseTo(l, "", c.Budget, nil))(t)
		want := fmt.Sprintf("%x", sha256.Sum256([]byte(texts[c.Name])))
		if got := testkit.Must(l.Book())(t).Entries[0].Request; got != want {
			t.Errorf("%s: the request has the digest %s; version 1 of its text has %s", c.Name, got, want)
		}
	}
}
