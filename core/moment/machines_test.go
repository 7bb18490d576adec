package moment

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dpattn/core/internal/wire"
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
	"dpattn/simd"
	"dpattn/tests/testkit"
)

// fixed draws numbers that are the same on every machine: integers over 2^14, from -1 to below 1.
func fixed(state *uint64, rows, cols int) testkit.Matrix {
	m := testkit.Zeros(rows, cols)
	for i := range m.Data {
		*state = *state*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
		m.Data[i] = float64(int64(*state)>>49) / (1 << 14)
	}
	return m
}

// Promise 3, between machines: the exact sums of fixed rows, the counts, and the integers that the
// sums depend on have the hashes that were recorded on amd64, whatever the processor and the
// kernels. Rows are long, short, of extreme numbers, NaN and Inf. Coefficients are left out: their
// last bits may differ.
func TestSumsAreTheSameOnEveryMachine(t *testing.T) {
	for _, c := range []struct {
		shared mechanism.Params
		own    Params
		rows   int
		want   string
	}{
		{
			mechanism.Params{KeyDim: 64, ValueDim: 16}, Params{Degree: 2},
			300, "285d83c3a5004409a609ec5555906e8ef0c8607594d77e68a2ae7878c826f51a",
		},
		{
			mechanism.Params{KeyDim: 19, ValueDim: 7}, Params{Degree: 3, Polynomial: Taylor, Rotation: NoRotation},
			601, "b64464d8db2c006783cb2f4098234477a55eb647cf4dfa9b7edae04afd0b2e35",
		},
		{
			mechanism.Params{KeyDim: 8, ValueDim: 12, Heads: 2, Adjacency: privacy.Replace}, Params{Degree: 4},
			90, "727a638e2fa70ee4da36d6e50a9618e9a5c52dd2a7d5a538a08485f08b4606c6",
		},
		{
			mechanism.Params{KeyDim: 3, ValueDim: 1, OwnerRows: 2}, Params{Degree: 8, Polynomial: Taylor},
			200, "ebf8ef9233aca9d1a6c9819f437c94a1ba2b63c4b230a496bd02a047406bf6da",
		},
		{
			mechanism.Params{KeyDim: 7, ValueDim: 4, OwnerRows: 30}, Params{Degree: 3, OwnerBound: 1.25},
			200, "7a3816a6ab3479b08d60b2ad641fe8a93e53f011d0feff9c324e4b5fbfe97b67",
		},
		{
			mechanism.Params{KeyDim: 1, ValueDim: 5}, Params{Degree: 1},
			33, "53df106557874577df868886ff66251bc9a693b673a673b671de10bf0e2228af",
		},
	} {
		p, own := c.shared, c.own
		keyLength, valueLength := math.Sqrt(float64(p.KeyDim)), math.Sqrt(float64(p.ValueDim))
		own.KeyBound, own.ValueBound, own.QueryBound = 0.4*keyLength, 0.7*valueLength, keyLength
		p.Heads = max(p.Heads, 1)
		if p.Adjacency == 0 {
			p.Adjacency = privacy.AddRemove
		}
		state := uint64(p.KeyDim)
		own.Center = fixed(&state, p.Heads, p.KeyDim).Data
		d := newDesign(t, p, own)
		b := d.noSums()
		var counts mechanism.Diagnostics
		for h := range p.Heads {
			k, v := fixed(&state, c.rows, p.KeyDim), fixed(&state, c.rows, p.ValueDim)
			for i := range c.rows {
				switch i % 8 {
				case 1, 2: // inside their bounds
					for _, row := range [][]float64{k.Row(i), v.Row(i)} {
						for j := range row {
							row[j] /= 4
						}
					}
				case 3:
					k.Row(i)[0], v.Row(i)[p.ValueDim-1] = 1e308, -1e308
				case 4:
					v.Row(i)[0] = []float64{math.NaN(), math.Inf(1), 5e-324}[i/8%3]
				}
			}
			var owners []uint64
			if p.OwnerRows > 0 {
				for i := range c.rows {
					owners = append(owners, uint64(i*i%41))
				}
			}
			counts.Add(addRows(t, b, h, k.View(), v.View(), owners))
		}
		var w wire.Writer
		w.U16(uint16(d.lambda))
		for _, v := range d.phi.Integers() {
			w.U16(uint16(v))
		}
		for _, v := range []uint64{
			counts.Rows, counts.KeysClipped, counts.ValuesClipped,
			counts.RowsZeroed, counts.RowsShrunk, counts.RowsDropped,
		} {
			w.U64(v)
		}
		integers := len(w.Buf)
		w.I64s(b.all())
		if got := fmt.Sprintf("%x", sha256.Sum256(w.Buf)); got != c.want {
			t.Errorf("%d dimensions, degree %d, %s: got %s, want %s; integers and counts are %x", p.KeyDim, own.Degree,
				simd.Name(), got, c.want, w.Buf[:integers])
		}
	}
}

// Builders of two machines may be merged: parameters that are left to their defaults come out the
// same, bit for bit.
func TestDefaultsAreTheSameOnEveryMachine(t *testing.T) {
	var w wire.Writer
	for dim := 1; dim <= 4096; dim++ {
		shared := mechanism.Params{KeyDim: dim, ValueDim: dim}
		p, err := Params{KeyBound: 1, ValueBound: 1, QueryBound: 1}.checked(&shared)
		if err != nil {
			t.Fatal(err)
		}
		w.F64(p.Scale)
		w.F64(p.Lambda)
	}
	const want = "810d5f2e724c23547511114b50b6b87121f03e9a1fdda07da39fffdabab73c89"
	if got := fmt.Sprintf("%x", sha256.Sum256(w.Buf)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Promise 3, between kernels: every set that this processor has gives the recorded sums. A process
// picks its set when it starts, so each is tried in a process of its own, which says that it did
// run it.
func TestSumsAreTheSameWithEveryKernel(t *testing.T) {
	for _, name := range simd.Available() {
		command := exec.Command(os.Args[0], "-test.v", "-test.run", "OnEveryMachine|TestKernelsInUse")
		command.Env = append(os.Environ(), "DPATTN_SIMD="+name)
		out, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "kernels in use: "+name+"\n") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestKernelsInUse says which set this process has.
func TestKernelsInUse(t *testing.T) { fmt.Printf("kernels in use: %s\n", simd.Name()) }
