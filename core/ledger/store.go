package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"dpattn/core/fault"
)

// patience is how long to wait for a file that somebody else works on. Only a test changes it.
var patience = 10 * time.Second

// largest is the largest value that bbolt takes.
const largest = bbolt.MaxValueSize

var bucketName = []byte("dpattn")

// store is a ledger's file, opened, locked and checked for one piece of work.
type store struct {
	path   string
	db     *bbolt.DB
	file   *os.File
	broken bool // bbolt panicked: its locks may be held, so it is not called again
}

// openStore opens the file at path: shared with others that read, or alone to write. wait, if not
// nil, is asked now and then and may end the waiting.
func openStore(path string, write bool, wait func() (goOn bool)) (*store, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, ioError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.IO, "ledger %s: it is not a regular file", path)
	}
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	s := &store{path: path}
	return s, s.open(!write, flags, func(file *os.File) error {
		if err := lockFile(file, path, write, wait); err != nil {
			return err
		}
		// Whoever waited may hold a file that has lost its name meanwhile: what is spent there,
		// nobody would find again.
		if named, err := os.Stat(path); err != nil {
			return err
		} else if locked, err := file.Stat(); err != nil || !os.SameFile(named, locked) {
			return fault.New(fault.IO, "ledger %s: another file was put in its place meanwhile", path)
		}
		return check(file)
	})
}

// createStore makes a new file at path, which must not exist, and lets fill write to it before
// anybody can see it.
func createStore(path string, fill func(*store) error) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return ioError(path, err)
	}
	defer os.Remove(temporary.Name())
	temporary.Close()
	s := &store{path: temporary.Name()}
	if err := s.open(false, os.O_RDWR, func(*os.File) error { return nil }); err != nil {
		return err
	}
	err = fill(s)
	s.close()
	if err != nil {
		return err
	}
	// Unlike a rename, a link replaces nothing.
	if err := os.Link(temporary.Name(), path); err != nil {
		return ioError(path, err)
	}
	return syncFolder(path)
}

// syncFolder makes the name of a new file durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ioError(path, err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return ioError(path, err)
	}
	return nil
}

// open lets bbolt open the file that before has looked at.
func (s *store) open(readOnly bool, flags int, before func(*os.File) error) error {
	err := s.guarded(func() (err error) {
		options := &bbolt.Options{ReadOnly: readOnly, PageSize: pageSize, NoStatistics: true, Timeout: patience}
		options.OpenFile = func(string, int, os.FileMode) (*os.File, error) {
			if s.file, err = os.OpenFile(s.path, flags, 0); err != nil {
				return nil, err
			}
			if err := before(s.file); err != nil {
				s.file.Close()
				return nil, err
			}
			return s.file, nil
		}
		s.db, err = bbolt.Open(s.path, 0, options)
		return err
	})
	if s.broken {
		s.close()
	}
	return err
}

// guarded runs work that reads pages through bbolt. A page that is not there any more, because
// somebody cut the file meanwhile, is a fault in the middle of the map; it becomes a panic, and
// every panic of bbolt an error.
func (s *store) guarded(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			s.broken = true
			err = corrupt(s.path, "the database in it cannot be read")
		}
	}()
	switch err = work(); {
	case err == nil || fault.CodeOf(err) != fault.Internal:
		return err
	case errors.Is(err, errPages):
		return corrupt(s.path, errPages.Error())
	default:
		return ioError(s.path, err)
	}
}

// syncFile makes a file durable. Only a test changes it.
var syncFile = (*os.File).Sync

// sync makes durable what can be read: whoever wrote it may have died before.
func (s *store) sync() error {
	if err := syncFile(s.file); err != nil {
		return ioError(s.path, err)
	}
	return nil
}

// close ends the work and lets others in.
func (s *store) close() {
	unlockFile(s.file) // bbolt unlocks what it wrote to, only; a child that was forked meanwhile would hold the lock
	if s.broken {
		s.file.Close()
	} else {
		s.db.Close()
	}
}

// ioError is an error of the system. Its own text names the path once more, unless it is unwrapped.
func ioError(path string, err error) error {
	var inPath *os.PathError
	var inLink *os.LinkError
	if errors.As(err, &inPath) {
		err = fmt.Errorf("%s: %w", inPath.Op, inPath.Err)
	} else if errors.As(err, &inLink) {
		err = inLink.Err
	}
	return fault.New(fault.IO, "ledger %s: %v", path, err)
}
