// Package fault holds the errors that cross dpattn's outer wall.
//
// An error names the argument, what it was and what it must be. It never holds a value read from
// keys, values or sums: on the private side, data-dependent trouble follows a fixed rule (clip,
// zero, count) instead of becoming an error.
package fault

import (
	"errors"
	"fmt"
)

// Code is the kind of a fault. The numbers are those of enum dpattn_status in include/dpattn.h.
type Code int32

// Codes, append-only.
const (
	OK              Code = 0
	InvalidArgument Code = 1
	InvalidHandle   Code = 2
	Consumed        Code = 3
	BufferTooSmall  Code = 4
	OutOfMemory     Code = 5
	Cancelled       Code = 6
	Forked          Code = 7
	Corrupt         Code = 8
	Unsupported     Code = 9
	Mismatch        Code = 10
	Entropy         Code = 11
	Limit           Code = 12
	Internal        Code = 13
	Overspent       Code = 14
	Busy            Code = 15
	IO              Code = 16
)

// Error is a fault with its code and detail text.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// New returns an error with a code and a formatted message.
func New(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid returns an InvalidArgument error.
func Invalid(format string, args ...any) error { return New(InvalidArgument, format, args...) }

// NoEntropy returns the Entropy error of a failed read of the kernel's randomness; outcome is what
// became of the work: "nothing was released".
func NoEntropy(err error, outcome string) error {
	return New(Entropy, "the kernel's random number generator failed (%v); %s", err, outcome)
}

// CodeOf returns the code of err: OK for nil, Internal for an error that no room gave a code.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
