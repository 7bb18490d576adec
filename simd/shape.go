package simd

// What the kernels and the Go code around them agree on. The generators in _asm read this file.
const (
	// Lanes is how many features one block of the state holds side by side.
	Lanes = 32

	// step is the granule of pairs: what one instruction takes at most.
	step = 16

	// shortMost is for how many queries at a time the body is read in 16 bits: with more of them,
	// what it takes to widen the numbers is more than what the bytes cost. Measured.
	shortMost = 2

	// noWeight is where the exponential of attention's weights is 0: e^-60 of 65,536 cells is
	// nothing beside the largest weight, 1, and the squares of larger ones are not denormal.
	noWeight = -60
)
