package core

import (
	"fmt"
	"strings"

	"dpattn/core/codebook"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/trees"
	"dpattn/simd"
)

// kinds are the mechanisms that there are. The first is the default.
var kinds = []*mechanism.Kind{
	&moment.Kind,
	&trees.Kind,
	&codebook.Kind,
}

// kindOf finds a mechanism by its number.
func kindOf(number int32, argument string) (*mechanism.Kind, error) {
	for _, k := range kinds {
		if k.Number == number {
			return k, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "%s is %d; this version has %s", argument, number, known())
}

// known lists the mechanisms, for messages.
func known() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = fmt.Sprintf("%d (%s)", k.Number, k.Name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// ReadParams completes p with the mechanism of that number, 0 for the default, and with its
// parameters, which have the names of dpattn_params. A field that is set and that the mechanism
// does not read is refused.
func ReadParams(p Params, number int32, fields []mechanism.Field) (Params, error) {
	kind, err := kinds[0], error(nil)
	if number != 0 {
		if kind, err = kindOf(number, "params.mechanism"); err != nil {
			return p, err
		}
	}
	f := mechanism.NewFields(fields)
	p.Mechanism = kind.Settings(f)
	return p, f.Unread(kind.Name)
}

// newMechanism checks p and works out its mechanism.
func newMechanism(p Params) (m mechanism.Mechanism, err error) {
	// In the plain floating-point mode: the same on every host.
	simd.Plain(func() {
		if p, err = checked(p); err == nil {
			m, err = p.Mechanism.New(p)
		}
	})
	return m, err
}

// checked is p with defaults filled in, as far as all mechanisms share them.
func checked(p Params) (Params, error) {
	if p.Mechanism == nil {
		return p, fault.Invalid("params.mechanism is nil; it is required, moment.Params for one")
	}
	return p.Checked()
}
