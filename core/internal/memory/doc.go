// Package memory says how much memory there is, so that what does not fit is refused before it is
// allocated.
package memory

import "dpattn/core/fault"

// Fits refuses an allocation that the memory does not hold. what is the subject of the message, in
// the plural.
func Fits(what string, bytes uint64) error {
	if available := Available(); bytes > available {
		return fault.New(fault.OutOfMemory, "%s need %d bytes; %d are available", what, bytes, available)
	}
	return nil
}
