package core

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dpattn/tests/testkit"
)

// adaptiveQueries asks n queries, each made of the hash of all answers before it, from 1 to 70 in a
// call, and returns the hash of all answers, log denominators and error bars.
func adaptiveQueries(t *testing.T, r *Release, n int) string {
	t.Helper()
	dim := r.mechanism.Params().KeyDim
	var all [sha256.Size]byte
	for asked, batch := 0, 1; asked < n; asked, batch = asked+batch, 1+int(all[31])%7*int(all[30])%70 {
		batch = min(batch, n-asked)
		q := testkit.Zeros(batch, dim)
		source := testkit.Rand(binary.LittleEndian.Uint64(all[:]))
		for i := range q.Data {
			q.Data[i] = source.NormFloat64()
		}
		out, lse, std := attended(t, r, q)
		hash := sha256.New()
		hash.Write(all[:])
		for _, answer := range []testkit.Matrix{out, lse, std} {
			_ = binary.Write(hash, binary.LittleEndian, answer.Data)
		}
		hash.Sum(all[:0])
	}
	return fmt.Sprintf("%x", all)
}

// Promise 12: a release that is saved and loaded in another process answers adaptive queries with
// the same bits; 1,000,000 at full size, 20,000 else, of a release for each kind of unit.
func TestRestart(t *testing.T) {
	n := testkit.Size(20_000, 1_000_000)
	for name, p := range units() {
		m := testkit.Must(newMechanism(p.params()))(t)
		r := testkit.Must(
			with(t, m, someRecords(testkit.Rand(301), m, 200, func() uint64 { return 3 })).Release(someBudget, nil),
		)(t)
		file := filepath.Join(t.TempDir(), "release")
		if err := os.WriteFile(file, saved(t, r), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(os.Args[0], "-test.run", "^TestAfterRestart$", "-test.v")
		command.Env = append(os.Environ(), "DPATTN_TEST_RELEASE="+file, fmt.Sprint("DPATTN_TEST_QUERIES=", n))
		out, err := command.CombinedOutput()
		if want := "answers " + adaptiveQueries(t, r, n); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v; this process has %s, the other says\n%s", name, err, want, out)
		}
	}
}

// TestAfterRestart is the other process of TestRestart.
func TestAfterRestart(t *testing.T) {
	file := os.Getenv("DPATTN_TEST_RELEASE")
	if file == "" {
		t.Skip("for TestRestart")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(os.Getenv("DPATTN_TEST_QUERIES"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("answers", adaptiveQueries(t, testkit.Must(Load(data))(t), n))
}
