//go:build !unix

package ledger

import (
	"os"

	"dpattn/core/fault"
)

func lockFile(*os.File, string, bool, func() bool) error {
	return fault.New(fault.Unsupported, "this version has no ledgers on this system")
}

func unlockFile(*os.File) {}
