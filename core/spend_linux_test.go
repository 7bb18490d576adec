package core

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dpattn/core/fault"
	"dpattn/core/ledger"
	"dpattn/core/privacy"
	"dpattn/tests/testkit"
)

// The disk is full: the ledger says so, nothing leaves, nothing is spent, the builder can try again
// when there is room. (Needs a file system of its own, which only root can have; tests/python has
// one for everybody, by a limit on file sizes.)
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96k"); err != nil {
		t.Skipf("no small file system here: %v", err)
	}
	defer syscall.Unmount(dir, 0) //nolint:errcheck
	path := filepath.Join(dir, "a.ledger")
	l := testkit.Must(ledger.Create(path, testkit.Must(privacy.MuAllowance(100))(t)))(t)
	p := spendParams
	p.ValueDim = 200 // 10 kB a release
	k, v := testkit.Ball(testkit.Rand(62), 20, 2, 1), testkit.Ball(testkit.Rand(63), 20, 200, 1)
	b := built(t, p, k, v)
	want := held(t, b)
	made := 0
	for ; ; made++ {
		if made > 20 {
			t.Fatal("the disk is not full")
		}
		_, err := b.ReleaseTo(l, fmt.Sprint(made), spendBudget, nil)
		if err == nil {
			b = built(t, p, k, v)
			continue
		}
		if fault.CodeOf(err) != fault.IO || !strings.Contains(err.Error(), "no space") {
			t.Fatal(err)
		}
		break
	}
	if !bytes.Equal(held(t, b), want) {
		t.Fatal("the builder changed")
	}
	book := testkit.Must(l.Book())(t)
	if book.Releases != made || made < 2 {
		t.Fatalf("%d made, %d spent", made, book.Releases)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=200k"); err != nil {
		t.Fatal(err)
	}
	testkit.Must(b.ReleaseTo(l, fmt.Sprint(made), spendBudget, nil))(t)
	if book := testkit.Must(l.Book())(t); book.Releases != made+1 {
		t.Errorf("%d made, %d spent", made+1, book.Releases)
	}
}
