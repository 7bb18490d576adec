package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"

	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// requestNames are the parameters of version 1 of the request text, in its order.
var requestNames = []string{
	"heads", "key_dim", "value_dim", "degree", "mechanism", "polynomial", "adjacency", "owner_rows", "rotation",
	"key_bound", "value_bound", "query_bound", "scale", "lambda", "owner_bound", "center", "head_weights",
	"range", "value_range", "relative_error", "failure_probability", "copy_factor", "rows", "leaves", "copies", "trees",
}

// requestDigest names in a ledger what a caller asked for: the SHA-256 of requestText.
func requestDigest(p *Params, budget privacy.Budget) [32]byte {
	return sha256.Sum256(requestText(p, budget))
}

// requestText writes all that a caller asked for, with defaults filled in, and nothing that a
// machine worked out from it. docs/formats.md describes it.
//
// Version 1 is a JSON array of two objects, the parameters and the budget. It has all requestNames,
// in CamelCase, each mechanism's and zeros where they are not its own. Version 2, where parameters
// are set that version 1 lacks, has those that there are, by their names in dpattn_params: one that
// is new and at its zero changes no text. Numbers are written with the fewest digits that give them
// back.
func requestText(p *Params, budget privacy.Budget) []byte {
	fields := append([]mechanism.Field{
		{Name: "heads", Value: p.Heads}, {Name: "key_dim", Value: p.KeyDim}, {Name: "value_dim", Value: p.ValueDim},
		{Name: "mechanism", Value: p.Mechanism.Kind().Number}, {Name: "adjacency", Value: p.Adjacency},
		{Name: "owner_rows", Value: p.OwnerRows},
	}, p.Mechanism.Fields()...)
	later := func(f mechanism.Field) bool { return f.Set() && !slices.Contains(requestNames, f.Name) }
	var text bytes.Buffer
	put := func(before, name string, value any) {
		number, err := json.Marshal(value)
		if err != nil {
			panic(err) // every number is finite: checked where it came in
		}
		text.WriteString(before + `"` + name + `":`)
		text.Write(number)
	}
	if slices.ContainsFunc(fields, later) {
		put("{", "request", 2)
		for _, f := range fields {
			if later(f) || slices.Contains(requestNames, f.Name) {
				put(",", f.Name, f.Value)
			}
		}
		put(",", "epsilon", budget.Epsilon)
		put(",", "delta", budget.Delta)
		text.WriteString("}")
		return text.Bytes()
	}
	before := "[{"
	for _, name := range requestNames {
		value := any(0)
		if slices.Contains([]string{"center", "head_weights"}, name) {
			value = []float64(nil)
		}
		for _, f := range fields {
			if f.Name == name {
				value = f.Value
			}
		}
		put(before, camel(name), value)
		before = ","
	}
	put("},{", "Epsilon", budget.Epsilon)
	put(",", "Delta", budget.Delta)
	text.WriteString("}]")
	return text.Bytes()
}

// camel is a name of dpattn_params in CamelCase.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
