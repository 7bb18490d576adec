package mechanism

import (
	"dpattn/core/fault"
	"dpattn/core/tensor"
)

// AllHeads as a head index means tensors with a leading axis of heads.
const AllHeads = -1

// Rows is one checked call of Add: rows of heads First..First+len(Keys)-1, one 2-D view a head.
type Rows struct {
	First        int
	Count        int // a head
	Keys, Values []tensor.Tensor
	Owners       []uint64 // nil where the unit is a row, else one id a row
}

// CheckRows checks the arguments of Add, rows of one head or of AllHeads: everything that can be
// wrong is found here, before any row is read. had is how many rows a head was given before.
func (p *Params) CheckRows(
	head int,
	keys, values tensor.Tensor,
	owners []uint64,
	had func(h int) uint64,
) (Rows, error) {
	if err := keys.Check("keys"); err != nil {
		return Rows{}, err
	}
	if err := values.Check("values"); err != nil {
		return Rows{}, err
	}
	c := Rows{First: head, Owners: owners}
	heads, ndim := 1, 2
	if head == AllHeads {
		c.First = 0
		if p.Heads > 1 || keys.NDim == 3 {
			heads, ndim = p.Heads, 3
		}
	} else if head < 0 || head >= p.Heads {
		return Rows{}, fault.Invalid("head is %d; it must be in 0..%d, or -1 for all heads", head, p.Heads-1)
	}
	for _, a := range []struct {
		name string
		t    *tensor.Tensor
		dim  int
		want string
	}{{"keys", &keys, p.KeyDim, "key_dim"}, {"values", &values, p.ValueDim, "value_dim"}} {
		if a.t.NDim != ndim {
			return Rows{}, fault.Invalid("%s.ndim is %d; with head %d it must be %d", a.name, a.t.NDim, head, ndim)
		}
		if ndim == 3 && a.t.Shape[0] != heads {
			return Rows{}, fault.Invalid("%s.shape[0] is %d; it must be heads = %d", a.name, a.t.Shape[0], heads)
		}
		if a.t.Shape[ndim-1] != a.dim {
			return Rows{}, fault.Invalid("%s.shape[%d] is %d; it must be %s = %d",
				a.name, ndim-1, a.t.Shape[ndim-1], a.want, a.dim)
		}
	}
	c.Count = keys.Shape[ndim-2]
	if n := values.Shape[ndim-2]; n != c.Count {
		return Rows{}, fault.Invalid("values.shape[%d] is %d; it must be the number of keys, %d", ndim-2, n, c.Count)
	}
	switch {
	case p.OwnerRows == 0 && owners != nil:
		return Rows{}, fault.Invalid(
			"owners: ids were given, but params.owner_rows is 0 (the unit is a row); they must be NULL")
	case p.OwnerRows > 0 && len(owners) != c.Count:
		return Rows{}, fault.Invalid(
			"owners has %d ids; with params.owner_rows = %d it must have one for each of the %d rows",
			len(owners), p.OwnerRows, c.Count)
	}
	for h := range heads {
		if had(c.First+h)+uint64(c.Count) > MaxRows {
			// How many there were is private.
			return Rows{}, fault.New(fault.Limit, "keys: head %d would have more than the %d rows that it takes",
				c.First+h, MaxRows)
		}
		c.Keys = append(c.Keys, keys.Head(h))
		c.Values = append(c.Values, values.Head(h))
	}
	return c, nil
}
