// Package quant turns one private row into integers: centre, rotate, clip, round to int16.
//
// Each function is a deterministic function of its own row and of public parameters alone. Nothing
// here is trusted with the privacy guarantee: whatever this package returns, the integer gates
// (Grid.Value here, the feature map's gate in package moment) bound the norm of what enters the
// sums. That is why floating point is allowed on this side of the gates and nowhere after them.
package quant
