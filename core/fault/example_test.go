package fault_test

import (
	"errors"
	"fmt"

	"dpattn/core/fault"
)

// The code survives wrapping; an error without one counts as internal.
func ExampleCodeOf() {
	err := fault.New(fault.Limit, "rows is %d, must be at most %d", 9, 8)
	fmt.Println(fault.CodeOf(err) == fault.Limit, err)

	wrapped := fmt.Errorf("add: %w", err)
	fmt.Println(fault.CodeOf(wrapped) == fault.Limit)

	fmt.Println(fault.CodeOf(errors.New("a surprise")) == fault.Internal, fault.CodeOf(nil) == fault.OK)
	// Output:
	// true rows is 9, must be at most 8
	// true
	// true true
}

// An error says which argument it is about, what it was and what it must be.
func ExampleInvalid() {
	err := fault.Invalid("degree is %d, must be in 1..%d", 9, 8)
	fmt.Println(err)
	fmt.Println(fault.CodeOf(err) == fault.InvalidArgument)
	// Output:
	// degree is 9, must be in 1..8
	// true
}
