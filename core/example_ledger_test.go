package core_test

import (
	"fmt"
	"os"
	"path/filepath"

	"dpattn/core"
	"dpattn/core/fault"
	"dpattn/core/ledger"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// The account of one data set: what is asked for again costs nothing, releases add up less than
// plainly, and what cannot be afforded is refused before any noise is drawn.
func ExampleBuilder_ReleaseTo() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "people.ledger")
	allowance, err := privacy.NewAllowance(privacy.Budget{Epsilon: 1.5, Delta: 1e-6}, privacy.Budget{})
	if err != nil {
		panic(err)
	}
	if _, err := ledger.Create(path, allowance); err != nil {
		panic(err)
	}

	release := func(label string) {
		book, err := ledger.Open(path) // any process may, at any time
		if err != nil {
			panic(err)
		}
		b, err := core.NewBuilder(core.Params{
			KeyDim: 2, ValueDim: 1, Adjacency: core.AddRemove,
			Mechanism: moment.Params{KeyBound: 1, ValueBound: 1, QueryBound: 1},
		})
		if err != nil {
			panic(err)
		}
		keys, values := []float64{0.6, 0.8, 0.8, -0.6}, []float64{1, -1}
		if err := b.Add(0, tensor.Of(keys, 2, 2), tensor.Of(values, 2, 1), nil, nil); err != nil {
			panic(err)
		}
		_, err = b.ReleaseTo(book, label, privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
		if fault.CodeOf(err) == fault.Overspent {
			fmt.Println(label, "was refused")
			return
		} else if err != nil {
			panic(err)
		}
		statement, err := book.Book()
		if err != nil {
			panic(err)
		}
		fmt.Println(label, "was released, one of", statement.Releases)
	}
	release("monday")
	release("monday")
	release("tuesday")
	release("wednesday")
	// Output:
	// monday was released, one of 1
	// monday was released, one of 1
	// tuesday was released, one of 2
	// wednesday was refused
}
