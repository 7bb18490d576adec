// Package mechanism is the seam between a builder or release and the mechanism behind it.
//
// A mechanism is one way of making a private release of keys and values. It has a folder of its own
// and implements the interfaces here:
//
//	Mechanism  everything public that follows from the parameters: shapes, sensitivity, costs
//	Sums       SECRET: what is kept of private rows, exact and without noise
//	State      PUBLIC: the noisy integers, and what queries need of them
//
// Package core knows no more of a mechanism than that, and names one only in its registry.
// docs/extending.md adds one from scratch.
package mechanism
