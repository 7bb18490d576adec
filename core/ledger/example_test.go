package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"

	"dpattn/core/ledger"
	"dpattn/core/privacy"
)

// A ledger is made once, by what all releases of a data set may cost together, and opened by its
// path from then on.
func ExampleCreate() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "people.ledger")
	allowance, err := privacy.NewAllowance(
		privacy.Budget{Epsilon: 2, Delta: 1e-6}, privacy.Budget{Epsilon: 0.5, Delta: 1e-7})
	if err != nil {
		panic(err)
	}
	if _, err := ledger.Create(path, allowance); err != nil {
		panic(err)
	}

	book, err := ledger.Open(path)
	if err != nil {
		panic(err)
	}
	statement, err := book.Book()
	if err != nil {
		panic(err)
	}
	left := statement.State().OtherLeft
	fmt.Printf("%d releases; mechanisms that are not Gaussian may spend (%g, %g)\n",
		statement.Releases, left.Epsilon, left.Delta)
	// Output: 0 releases; mechanisms that are not Gaussian may spend (0.5, 1e-07)
}
