package core

import (
	"dpattn/core/fault"
	"dpattn/core/moment"
	"dpattn/core/tensor"
)

// chunk is one checked call of Add: rows of heads first..first+len(keys)-1, one 2-D view a head.
type chunk struct {
	first        int
	rows         int
	keys, values []tensor.Tensor
	owners       []uint64
}

// chunk checks the arguments of Add: everything that can be wrong is found here, before any row is read.
func (b *Builder) chunk(head int, keys, values tensor.Tensor, owners []uint64) (chunk, error) {
	d := b.mechanism.params()
	if err := keys.Check("keys"); err != nil {
		return chunk{}, err
	}
	if err := values.Check("values"); err != nil {
		return chunk{}, err
	}
	c := chunk{first: head}
	heads, ndim := 1, 2
	if head == AllHeads {
		c.first = 0
		if d.Heads > 1 || keys.NDim == 3 {
			heads, ndim = d.Heads, 3
		}
	} else if head < 0 || head >= d.Heads {
		return chunk{}, fault.Invalid("head is %d; it must be in 0..%d, or -1 for all heads", head, d.Heads-1)
	}
	for _, a := range []struct {
		name string
		t    *tensor.Tensor
		dim  int
		want string
	}{{"keys", &keys, d.KeyDim, "key_dim"}, {"values", &values, d.ValueDim, "value_dim"}} {
		if a.t.NDim != ndim {
			return chunk{}, fault.Invalid("%s.ndim is %d; with head %d it must be %d", a.name, a.t.NDim, head, ndim)
		}
		if ndim == 3 && a.t.Shape[0] != heads {
			return chunk{}, fault.Invalid("%s.shape[0] is %d; it must be heads = %d", a.name, a.t.Shape[0], heads)
		}
		if a.t.Shape[ndim-1] != a.dim {
			return chunk{}, fault.Invalid("%s.shape[%d] is %d; it must be %s = %d", a.name, ndim-1, a.t.Shape[ndim-1], a.want, a.dim)
		}
	}
	c.rows = keys.Shape[ndim-2]
	if n := values.Shape[ndim-2]; n != c.rows {
		return chunk{}, fault.Invalid("values.shape[%d] is %d; it must be the number of keys, %d", ndim-2, n, c.rows)
	}
	switch {
	case d.OwnerRows == 0 && owners != nil:
		return chunk{}, fault.Invalid("owners: ids were given, but params.owner_rows is 0 (the unit is a row); they must be NULL")
	case d.OwnerRows > 0 && len(owners) != c.rows:
		return chunk{}, fault.Invalid("owners has %d ids; with params.owner_rows = %d it must have one for each of the %d rows", len(owners), d.OwnerRows, c.rows)
	}
	c.owners = owners
	for h := range heads {
		if have := b.secret.rows(c.first + h); have+uint64(c.rows) > moment.MaxRows {
			return chunk{}, fault.New(fault.Limit, "keys: %d rows on top of %d; one head takes at most %d", c.rows, have, moment.MaxRows)
		}
		c.keys = append(c.keys, keys.Head(h))
		c.values = append(c.values, values.Head(h))
	}
	return c, nil
}
