//go:build unix

package ledger

import (
	"errors"
	"os"
	"syscall"
	"time"

	"dpattn/core/fault"
)

// lockFile takes the lock that bbolt will ask for again. It is held by the open file, so it ends
// with the process, however that ends.
func lockFile(file *os.File, path string, alone bool, wait func() (goOn bool)) error {
	how := syscall.LOCK_SH | syscall.LOCK_NB
	if alone {
		how = syscall.LOCK_EX | syscall.LOCK_NB
	}
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		switch err := syscall.Flock(int(file.Fd()), how); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		}
		if wait != nil && !wait() {
			return fault.New(fault.Cancelled,
				"cancelled by the progress callback or the cancel flag while waiting for the ledger; "+
					"nothing was changed")
		}
		if time.Now().After(until) {
			return fault.New(fault.Busy, "ledger %s: another process or thread has been working on it for %v",
				path, patience)
		}
	}
}

// unlockFile ends the lock for every process that has the open file.
func unlockFile(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
