package core

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dpattn/core/fault"
	"dpattn/core/ledger"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// TestMain runs the child of the tests below instead of the tests where it is told to.
func TestMain(m *testing.M) {
	if path := os.Getenv("DPATTN_TEST_SPEND"); path != "" {
		spendInLoop(path, os.Getenv("DPATTN_TEST_LABELS"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var spendParams = settings{
	KeyDim:     2,
	ValueDim:   1,
	Degree:     2,
	Adjacency:  AddRemove,
	KeyBound:   1,
	ValueBound: 1,
	QueryBound: 1,
	Scale:      1,
}

// spendInLoop releases for ever, under labels that begin with prefix, and says so on stdout after
// each, until the ledger can afford no more.
func spendInLoop(path, prefix string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
	}
	l, err := ledger.Open(path)
	fail(err)
	for i := 0; ; i++ {
		b, err := NewBuilder(spendParams.params())
		fail(err)
		label := fmt.Sprint(prefix, i)
		r, err := b.ReleaseTo(l, label, spendBudget, nil)
		if fault.CodeOf(err) == fault.Overspent {
			fmt.Println("overspent", label)
			return
		}
		fail(err)
		fmt.Println("released", label, digestOf(r))
	}
}

var spendBudget = privacy.Budget{Epsilon: 0.5, Delta: 1e-6}

func digestOf(r *Release) string {
	file := make([]byte, r.size)
	if _, err := r.Save(file); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", sha256.Sum256(file))
}

// afford makes a ledger for n releases of spendBudget.
func afford(t testing.TB, n float64) (*ledger.Ledger, string) {
	t.Helper()
	b := testkit.Must(NewBuilder(spendParams.params()))(t)
	cost := testkit.Must(b.mechanism.Cost(spendBudget))(t)
	mu2, _ := cost.MuSquared.Float64()
	path := filepath.Join(t.TempDir(), "a.ledger")
	return testkit.Must(ledger.Create(path, testkit.Must(privacy.MuAllowance(math.Sqrt(mu2*(n+0.5))))(t)))(t), path
}

// child starts spendInLoop.
func child(t testing.TB, path, labels string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "DPATTN_TEST_SPEND="+path, "DPATTN_TEST_LABELS="+labels)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(out)
}

// Promise 8: a process that spends as fast as it can is killed with SIGKILL at random moments. What
// it says that it released is in the ledger, with those bytes; what is there is affordable; and the
// next process can go on. 100 kills, 1,000 in an audit.
func TestKilledAnywhere(t *testing.T) {
	l, path := afford(t, 1e6)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) // other moments each time
	released := map[string]string{}
	partial := 0
	for kill := range testkit.Size(100, 1000) {
		if kill%50 == 49 { // a long account takes longer to check
			l, path = afford(t, 1e6)
			clear(released)
		}
		before := testkit.Must(l.Book())(t).Releases
		c, lines := child(t, path, fmt.Sprint(kill, "-"))
		time.AfterFunc(time.Duration(5+rng.IntN(40))*time.Millisecond, func() { c.Process.Kill() }) //nolint:errcheck
		said := 0
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			if len(words) != 3 || words[0] != "released" {
				t.Fatalf("the child says: %s", lines.Text())
			}
			released[words[1]] = words[2]
			said++
		}
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself: %v", err)
		}
		book, err := l.Book()
		if err != nil {
			t.Fatalf("after kill %d: %v", kill, err)
		}
		// At most the one commit that the kill came after, and nobody was told of, is spent without
		// being released.
		if spent := book.Releases - before; spent < said || spent > said+1 {
			t.Fatalf("kill %d: %d released, %d spent", kill, said, spent)
		} else if spent > said {
			partial++
		}
		digests := map[string]string{}
		for _, e := range book.Entries {
			digests[e.Label] = e.Digest
		}
		for label, digest := range released {
			if digests[label] != digest {
				t.Fatalf("kill %d: %s was released with digest %s, the ledger has %q", kill, label, digest,
					digests[label])
			}
		}
	}
	t.Logf("%d times the kill came between the commit and the word of it", partial)
	for label, digest := range released {
		if got := digestOf(testkit.Must(LoadFrom(l, label))(t)); got != digest {
			t.Fatalf("%s has other bytes now", label)
		}
	}
}

// Four processes that spend from one ledger as fast as they can get exactly what it can afford.
func TestProcessesCannotOverspend(t *testing.T) {
	const affordable = 37
	l, path := afford(t, affordable)
	type outcome struct {
		released, refused int
		err               error
	}
	outcomes := make(chan outcome)
	for i := range 4 {
		c, lines := child(t, path, fmt.Sprint("process ", i, " "))
		go func() {
			var o outcome
			for lines.Scan() {
				switch {
				case strings.HasPrefix(lines.Text(), "released"):
					o.released++
				case strings.HasPrefix(lines.Text(), "overspent"):
					o.refused++
				default:
					o.err = errors.New(lines.Text())
				}
			}
			o.err = errors.Join(o.err, c.Wait())
			outcomes <- o
		}()
	}
	released := 0
	for range 4 {
		o := <-outcomes
		if o.err != nil || o.refused != 1 {
			t.Errorf("%+v", o)
		}
		released += o.released
	}
	if book := testkit.Must(l.Book())(t); released != affordable || book.Releases != affordable {
		t.Errorf("%d released, %d spent, %d affordable", released, book.Releases, affordable)
	}
}

// The builder is consumed with the commit, not before it: what is refused or fails leaves it whole.
func TestReleaseToKeepsTheBuilder(t *testing.T) {
	l, path := afford(t, 1)
	k, v := testkit.Ball(testkit.Rand(60), 50, 2, 1), testkit.Ball(testkit.Rand(61), 50, 1, 1)
	b := built(t, spendParams, k, v)
	want := exported(t, b)
	unchanged := func(err error, code fault.Code) {
		t.Helper()
		if fault.CodeOf(err) != code {
			t.Fatalf("%v; want code %d", err, code)
		}
		if !bytes.Equal(exported(t, b), want) {
			t.Fatal("the builder changed")
		}
	}
	var err error
	counted := newTape(1)
	withRandomness(counted, func() {
		_, err = b.ReleaseTo(l, "dear", privacy.Budget{Epsilon: 9, Delta: 1e-6}, nil)
		unchanged(err, fault.Overspent)
		_, err = b.ReleaseTo(l, "bad", privacy.Budget{Epsilon: -1, Delta: 1e-6}, nil)
		unchanged(err, fault.InvalidArgument)
		_, err = b.ReleaseTo(l, "a\x01", spendBudget, nil)
		unchanged(err, fault.InvalidArgument)
		_, err = b.ReleaseTo(l, "stop", spendBudget, &Progress{Report: func(done, total uint64) bool { return false }})
		unchanged(err, fault.Cancelled)
	})
	if counted.read > 16 { // one release had its name already
		t.Error("noise was drawn for what was refused")
	}
	withRandomness(&failing{16}, func() { _, err = b.ReleaseTo(l, "dry", spendBudget, nil) })
	unchanged(err, fault.Entropy)
	// The file is taken away between the check and the commit.
	reports := 0
	_, err = b.ReleaseTo(l, "cut", spendBudget, &Progress{Report: func(done, total uint64) bool {
		if reports++; reports == 2 { // the first one waits for the ledger, this one is amid the noise
			away := os.Rename(path, path+".away")
			if errors.Join(away, os.WriteFile(path, make([]byte, 10), 0o600), os.Truncate(path+".away", 0)) != nil {
				t.Error("the file could not be taken away")
			}
		}
		return true
	}})
	if err == nil {
		t.Fatal("released into a file that was cut")
	}
	unchanged(err, fault.CodeOf(err))

	l, _ = afford(t, 1)
	r := testkit.Must(b.ReleaseTo(l, "v1", spendBudget, nil))(t)
	if _, err := b.Diagnostics(); fault.CodeOf(err) != fault.Consumed {
		t.Error("the builder is still there")
	}
	// Asked once more, with a builder of its own that is consumed, too.
	b = built(t, spendParams, k, v)
	again := testkit.Must(b.ReleaseTo(l, "v1", spendBudget, nil))(t)
	if digestOf(again) != digestOf(r) || again.id != r.id {
		t.Error("the same label gave another release")
	}
	if _, err := b.Diagnostics(); fault.CodeOf(err) != fault.Consumed {
		t.Error("the builder is still there")
	}
	b = built(t, spendParams, k, v)
	want = exported(t, b)
	_, err = b.ReleaseTo(l, "v1", privacy.Budget{Epsilon: 0.49, Delta: 1e-6}, nil)
	unchanged(err, fault.Mismatch)
	other := spendParams
	other.KeyBound = 0.5
	_, err = built(t, other, k, v).ReleaseTo(l, "v1", spendBudget, nil)
	if fault.CodeOf(err) != fault.Mismatch {
		t.Error(err)
	}
	other = spendParams
	other.Adjacency = Replace
	_, err = built(t, other, k, v).ReleaseTo(l, "v2", spendBudget, nil)
	if fault.CodeOf(err) != fault.Mismatch {
		t.Error(err)
	}
}

// Both kinds of mechanisms in one ledger: each pays from its own pocket, and a ledger that sets
// nothing aside refuses the paper's.
func TestLedgerOfBothKinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ledger")
	allowance := testkit.Must(
		privacy.NewAllowance(privacy.Budget{Epsilon: 2, Delta: 1e-5}, privacy.Budget{Epsilon: 1, Delta: 2e-6}),
	)(t)
	l := testkit.Must(ledger.Create(path, allowance))(t)
	each := privacy.Budget{Epsilon: 0.5, Delta: 1e-6}
	k, v := box(1, 9, 3, 0, 1), box(2, 9, 2, -1, 1)
	tree := func() *Builder { return treeBuilder(t, treeParams(), k, v, nil) }
	first := testkit.Must(tree().ReleaseTo(l, "tree 1", each, nil))(t)
	testkit.Must(testkit.Must(NewBuilder(spendParams.params()))(t).ReleaseTo(l, "moments", each, nil))(t)
	testkit.Must(tree().ReleaseTo(l, "tree 2", each, nil))(t)
	if _, err := tree().ReleaseTo(l, "tree 3", each, nil); fault.CodeOf(err) != fault.Overspent {
		t.Errorf("a third tree: %v", err)
	}
	testkit.Must(testkit.Must(NewBuilder(spendParams.params()))(t).ReleaseTo(l, "moments 2", each, nil))(t)
	if again := testkit.Must(tree().ReleaseTo(l, "tree 1", each, nil))(t); digestOf(again) != digestOf(first) {
		t.Error("the same label gave another release")
	}
	book := testkit.Must(l.Book())(t)
	if s := book.State(); s.Other != (privacy.Budget{Epsilon: 1, Delta: 2e-6}) || s.OtherLeft != (privacy.Budget{}) ||
		!(s.MuLeft > 0) ||
		!(s.Epsilon < 2) {
		t.Errorf("%+v", s)
	}
	l, _ = afford(t, 9)
	if _, err := tree().ReleaseTo(l, "tree", each, nil); fault.CodeOf(err) != fault.Overspent ||
		!strings.Contains(err.Error(), "other_epsilon") {
		t.Error(err)
	}
}
