package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dpattn/core/fault"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

func wants(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("%v; want code %d", err, code)
	}
}

// some makes a ledger that n requests of the kind below spend exactly.
func some(t testing.TB, n int64) *Ledger {
	t.Helper()
	a := testkit.Must(privacy.MuAllowance(float64(n)))(t)
	return testkit.Must(Create(filepath.Join(t.TempDir(), "a.ledger"), a))(t)
}

// request spends mu^2 = of, where the ledger above has n^2.
func request(label string, of int64) Request {
	return Request{Label: label, Adjacency: "add_remove", Unit: "row", Mechanism: "gaussian", Digest: [32]byte{1},
		Cost: privacy.Cost{MuSquared: big.NewRat(of, 1), Promise: privacy.Budget{Epsilon: 1, Delta: 1e-6}}}
}

// drafted counts how often it is called, and gives other bytes each time.
func drafted(calls *int, size int) Draft {
	return func() (id [16]byte, file []byte, err error) {
		*calls++
		file = bytes.Repeat([]byte{byte(*calls)}, size)
		return [16]byte{byte(*calls)}, file, nil
	}
}

func TestSpendAndAskAgain(t *testing.T) {
	l := some(t, 2)
	calls := 0
	first := testkit.Must(l.Spend(request("one", 3), nil, drafted(&calls, 100)))(t)
	for range 3 {
		// Even with nothing left, and through another handle.
		other := testkit.Must(Open(l.path))(t)
		again := testkit.Must(other.Spend(request("one", 3), nil, drafted(&calls, 100)))(t)
		if !bytes.Equal(again, first) || calls != 1 {
			t.Fatal("the same label gave other bytes")
		}
		if loaded := testkit.Must(l.Load("one"))(t); !bytes.Equal(loaded, first) {
			t.Fatal("loading gave other bytes")
		}
	}
	asked := request("one", 3)
	asked.Digest[0]++
	_, err := l.Spend(asked, nil, drafted(&calls, 1))
	wants(t, err, fault.Mismatch)
	_, err = l.Spend(request("two", 2), nil, drafted(&calls, 1))
	wants(t, err, fault.Overspent)
	if calls != 1 {
		t.Error("noise was drawn for a release that was refused")
	}
	testkit.Must(l.Spend(request("two", 1), nil, drafted(&calls, 100_000)))(t)
	_, err = l.Load("three")
	wants(t, err, fault.InvalidArgument)
	// Other neighbours are another guarantee.
	asked = request("three", 1)
	asked.Adjacency = "replace"
	_, err = l.Spend(asked, nil, drafted(&calls, 1))
	wants(t, err, fault.Mismatch)
	asked = request("three", 1)
	asked.Unit = "owner"
	_, err = l.Spend(asked, nil, drafted(&calls, 1))
	wants(t, err, fault.Mismatch)

	book := testkit.Must(l.Book())(t)
	if book.Releases != 2 || book.Entries[1].Label != "two" || book.Adjacency != "add_remove" ||
		book.State().MuLeft != 0 || book.State().Mu != 2 {
		t.Errorf("%+v", book)
	}
}

// A release that somebody else wrote is handed out once more only after it is on disk: whoever
// wrote it may have died before.
func TestFoundReleasesAreSynced(t *testing.T) {
	l := some(t, 2)
	calls, syncs := 0, 0
	testkit.Must(l.Spend(request("one", 1), nil, drafted(&calls, 10_000)))(t)
	before := testkit.Must(os.ReadFile(l.path))(t)
	testkit.Must(l.Spend(request("one", 1), nil, drafted(&calls, 10_000)))(t)
	if bytes.Equal(before, testkit.Must(os.ReadFile(l.path))(t)) {
		t.Error("asking again committed nothing")
	}
	defer func(f func(*os.File) error) { syncFile = f }(syncFile)
	syncFile = func(*os.File) error { syncs++; return nil }
	testkit.Must(l.Load("one"))(t)
	if syncs != 1 {
		t.Errorf("loading synced %d times", syncs)
	}
	syncFile = func(*os.File) error { return os.ErrInvalid }
	_, err := l.Load("one")
	wants(t, err, fault.IO)
}

func TestLabels(t *testing.T) {
	l := some(t, 4)
	calls := 0
	testkit.Must(l.Spend(request("", 1), nil, drafted(&calls, 1)))(t)
	testkit.Must(l.Spend(request("", 1), nil, drafted(&calls, 1)))(t)
	book := testkit.Must(l.Book())(t)
	if calls != 2 || book.Entries[0].Label != book.Entries[0].ID || book.Entries[0].Label == book.Entries[1].Label {
		t.Errorf("%+v", book.Entries)
	}
	testkit.Must(l.Spend(request(strings.Repeat("é", 127), 1), nil, drafted(&calls, 1)))(t)
	for _, bad := range []string{strings.Repeat("x", 256), "a\x00b", "a\nb", "\xff"} {
		_, err := l.Spend(request(bad, 1), nil, drafted(&calls, 1))
		wants(t, err, fault.InvalidArgument)
	}
}

// A draft that fails or panics spends nothing, and leaves the ledger to others.
func TestDraftFails(t *testing.T) {
	l := some(t, 1)
	_, err := l.Spend(request("a", 1), nil, func() (id [16]byte, file []byte, err error) {
		return id, nil, fault.New(fault.Entropy, "no randomness")
	})
	wants(t, err, fault.Entropy)
	func() {
		defer func() {
			if recover() != "a bug" {
				t.Error("a panic was swallowed")
			}
		}()
		l.Spend(request("a", 1), nil, func() ([16]byte, []byte, error) { panic("a bug") }) //nolint:errcheck
	}()
	if book := testkit.Must(l.Book())(t); book.Releases != 0 {
		t.Error("something was spent")
	}
	calls := 0
	testkit.Must(l.Spend(request("a", 1), nil, drafted(&calls, 1)))(t)
	_, err = l.Spend(Request{Bytes: largest + 1}, nil, nil)
	wants(t, err, fault.Limit)
}

func TestCreateAndOpen(t *testing.T) {
	l := some(t, 1)
	info := testkit.Must(os.Stat(l.path))(t)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	before := testkit.Must(os.ReadFile(l.path))(t)
	a := testkit.Must(privacy.MuAllowance(9))(t)
	_, err := Create(l.path, a)
	wants(t, err, fault.IO)
	if !bytes.Equal(before, testkit.Must(os.ReadFile(l.path))(t)) {
		t.Error("a ledger was replaced")
	}
	if left := testkit.Must(os.ReadDir(filepath.Dir(l.path)))(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), "/dev/null", "", "a\x00b"} {
		_, err := Open(path)
		wants(t, err, fault.IO)
	}
	_, err = Create(filepath.Join(t.TempDir(), "no", "folder"), a)
	wants(t, err, fault.IO)

	// The one handle does not serve another ledger that was put in its place.
	other := some(t, 1)
	if err := os.Rename(other.path, l.path); err != nil {
		t.Fatal(err)
	}
	_, err = l.Spend(request("a", 1), nil, nil)
	wants(t, err, fault.Mismatch)
}

// While one works on the file, others wait, for as long as they like and not for ever.
func TestBusy(t *testing.T) {
	l := some(t, 3)
	inside, leave := make(chan bool), make(chan bool)
	go l.Spend(request("slow", 1), nil, func() (id [16]byte, file []byte, err error) { //nolint:errcheck
		inside <- true
		<-leave
		return id, []byte{1}, nil
	})
	<-inside
	asked := 0
	_, err := l.Spend(request("fast", 1), func() bool { asked++; return asked < 3 }, nil)
	wants(t, err, fault.Cancelled)
	defer func(usual time.Duration) { patience = usual }(patience)
	patience = 100 * time.Millisecond
	_, err = l.Book()
	wants(t, err, fault.Busy)
	close(leave)
	calls := 0
	testkit.Must(l.Spend(request("fast", 1), nil, drafted(&calls, 1)))(t)
	if book := testkit.Must(l.Book())(t); book.Releases != 2 {
		t.Errorf("%d releases", book.Releases)
	}
}

// Whoever waits while the file is replaced, or removed, does not spend from the one that is gone.
func TestReplacedMeanwhile(t *testing.T) {
	l, other := some(t, 3), some(t, 3)
	for _, change := range []func() error{
		func() error { return os.Rename(other.path, l.path) },
		func() error { return os.Remove(l.path) },
	} {
		inside, waits, leave := make(chan bool), make(chan bool), make(chan bool)
		go openStoreAndStay(t, l.path, inside, leave)
		<-inside
		done := make(chan error)
		go func() {
			_, err := (&Ledger{path: l.path}).Spend(request("late", 1), func() bool {
				select {
				case waits <- true:
				default:
				}
				return true
			}, func() ([16]byte, []byte, error) { return [16]byte{}, []byte{1}, nil })
			done <- err
		}()
		<-waits
		if err := change(); err != nil {
			t.Fatal(err)
		}
		close(leave)
		wants(t, <-done, fault.IO)
	}
}

func openStoreAndStay(t *testing.T, path string, inside chan<- bool, leave <-chan bool) {
	s, err := openStore(path, true, nil)
	if err != nil {
		t.Error(err)
	}
	inside <- true
	<-leave
	s.close()
}

// Threads with one handle and with several cannot overspend, and those with one label get one
// release.
func TestConcurrentThreadsCannotOverspend(t *testing.T) {
	l := some(t, 3) // 9 of mu^2
	var group sync.WaitGroup
	var lock sync.Mutex
	given, refused := map[string]string{}, 0
	for i := range 32 {
		group.Go(func() {
			mine := l
			if i%2 == 0 {
				mine = testkit.Must(Open(l.path))(t)
			}
			label := fmt.Sprint(i / 2)
			file, err := mine.Spend(request(label, 1), nil, func() ([16]byte, []byte, error) {
				return [16]byte{}, []byte(fmt.Sprint(label, " by ", i)), nil
			})
			lock.Lock()
			defer lock.Unlock()
			switch {
			case fault.CodeOf(err) == fault.Overspent:
				refused++
			case err != nil:
				t.Error(err)
			case given[label] != "" && given[label] != string(file):
				t.Errorf("label %s: %q and %q", label, given[label], file)
			default:
				given[label] = string(file)
			}
		})
	}
	group.Wait()
	if len(given) != 9 || refused != 2*(16-9) {
		t.Errorf("%d labels released, %d refused", len(given), refused)
	}
}

// Files that are cut or altered in any place give an error, or what they held; never a crash, a
// hang, or a forgotten release.
func TestDamage(t *testing.T) {
	l := some(t, 20)
	calls := 0
	var files [][]byte
	for i := range 12 { // enough for a tree with branches
		files = append(files, testkit.Must(l.Spend(request(fmt.Sprint(i), 1), nil, drafted(&calls, 10+900*i)))(t))
	}
	whole := testkit.Must(os.ReadFile(l.path))(t)
	path := filepath.Join(t.TempDir(), "damaged")
	caught, unharmed := 0, 0
	tried := -1
	try := func(data []byte, what string) {
		t.Helper()
		tried++
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged, err := Open(path)
		if err == nil {
			book := testkit.Must(damaged.Book())(t)
			if book.Releases != len(files) {
				t.Fatalf("%s: %d releases are left", what, book.Releases)
			}
			i := tried % len(files)
			var file []byte
			if file, err = damaged.Load(fmt.Sprint(i)); err == nil && !bytes.Equal(file, files[i]) {
				t.Fatalf("%s: a release is another", what)
			}
			if err == nil && tried%16 == 0 { // a commit waits for the disk
				if _, err = damaged.Spend(request("new", 1), nil, drafted(&calls, 3000)); err == nil {
					if book = testkit.Must(damaged.Book())(t); book.Releases != len(files)+1 {
						t.Fatalf("%s: %d releases after one more", what, book.Releases)
					}
				}
			}
			if err == nil {
				unharmed++
				return
			}
		}
		if code := fault.CodeOf(err); code != fault.Corrupt && code != fault.Unsupported {
			t.Fatalf("%s: %v", what, err)
		}
		caught++
	}
	try(whole, "the whole file")
	if unharmed != 1 {
		t.Fatal("the whole file is refused")
	}
	rng := rand.New(rand.NewPCG(51, 52))
	cuts, flips := testkit.Size(60, 600), testkit.Size(2500, 100_000)
	for range cuts {
		try(whole[:rng.IntN(len(whole))], "cut")
	}
	for i := range flips {
		data := bytes.Clone(whole)
		at := rng.IntN(len(data))
		switch i % 4 {
		case 0, 1: // where structure is dense: the beginnings of pages
			at = at/pageSize*pageSize + rng.IntN(120)
			if i%8 == 0 {
				data[at] = byte(rng.IntN(4)) // a number, not a bit
			}
		case 2: // both meta pages
			at = rng.IntN(2)*pageSize + rng.IntN(pageHeader+metaSize)
		}
		data[at] ^= 1 << rng.IntN(8)
		try(data, fmt.Sprintf("byte %d is %#x", at, data[at]))
	}
	for range cuts { // pages that change places
		data := bytes.Clone(whole)
		a, b := rng.IntN(len(data)/pageSize), rng.IntN(len(data)/pageSize)
		copy(data[a*pageSize:(a+1)*pageSize], whole[b*pageSize:(b+1)*pageSize])
		try(data, fmt.Sprintf("page %d is page %d", a, b))
	}
	t.Logf("%d kinds of damage found, %d in places that nothing uses", caught, unharmed)
	if caught < flips/4 {
		t.Errorf("%d of %d kinds of damage were found", caught, flips)
	}
}

// The newer meta page is damaged: bbolt alone would go back to the older one, which has forgotten
// the last release.
func TestNoWayBack(t *testing.T) {
	l := some(t, 3)
	calls := 0
	for i := range 3 {
		testkit.Must(l.Spend(request(fmt.Sprint(i), 1), nil, drafted(&calls, 10)))(t)
		whole := testkit.Must(os.ReadFile(l.path))(t)
		for page := range 2 {
			data := bytes.Clone(whole)
			data[page*pageSize+pageHeader+20] ^= 1
			if err := os.WriteFile(l.path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := l.Book()
			wants(t, err, fault.Corrupt)
		}
		if err := os.WriteFile(l.path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Somebody cuts the file while it is open: a fault in the middle of the map becomes an error.
func TestCutMeanwhile(t *testing.T) {
	l := some(t, 20)
	calls := 0
	for i := range 5 {
		testkit.Must(l.Spend(request(fmt.Sprint(i), 1), nil, drafted(&calls, 20_000)))(t)
	}
	_, err := l.Spend(request("x", 1), nil, func() ([16]byte, []byte, error) {
		return [16]byte{}, make([]byte, 10), os.Truncate(l.path, 2*pageSize)
	})
	wants(t, err, fault.Corrupt)
	_, err = l.Book()
	wants(t, err, fault.Corrupt)
}

func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("hello\n"), "zeros": make([]byte, 40_000),
		"pages": bytes.Repeat([]byte{0xff}, 9*pageSize),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		wants(t, err, fault.Corrupt)
		if got := testkit.Must(os.ReadFile(path))(t); !bytes.Equal(got, data) {
			t.Errorf("%s was changed", name)
		}
	}
}

// A ledger that cannot be written to can be read, and refuses to spend.
func TestReadOnlyFile(t *testing.T) {
	l := some(t, 3)
	calls := 0
	testkit.Must(l.Spend(request("a", 1), nil, drafted(&calls, 10)))(t)
	if err := os.Chmod(l.path, 0o400); err != nil {
		t.Fatal(err)
	}
	testkit.Must(l.Book())(t)
	if f, err := os.OpenFile(l.path, os.O_RDWR, 0); err == nil {
		f.Close()
		t.Skip("this user may write to everything")
	} else if !errors.Is(err, os.ErrPermission) {
		t.Fatal(err)
	}
	_, err := l.Spend(request("b", 1), nil, drafted(&calls, 10))
	wants(t, err, fault.IO)
	if calls != 1 {
		t.Error("noise was drawn")
	}
}

// Many releases, of all sizes: the file stays whole, and the account exact.
func TestManyReleases(t *testing.T) {
	l := some(t, 100)
	rng := rand.New(rand.NewPCG(53, 54))
	calls := 0
	sum := new(big.Rat)
	for i := range 150 {
		r := request(fmt.Sprint(i), 1)
		r.Cost.MuSquared = big.NewRat(1+rng.Int64N(9), 1+rng.Int64N(1000))
		sum.Add(sum, r.Cost.MuSquared)
		testkit.Must(l.Spend(r, nil, drafted(&calls, rng.IntN(1<<rng.IntN(18)))))(t)
	}
	book := testkit.Must(l.Book())(t)
	if got := book.State().Mu; got != privacy.RootUp(sum) || book.Releases != 150 {
		t.Errorf("mu is %v, must be %v", got, privacy.RootUp(sum))
	}
	if text := testkit.Must(json.Marshal(book))(t); !json.Valid(text) {
		t.Error("no JSON")
	}
}
