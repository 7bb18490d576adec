package simd

// plainEnvironment is MXCSR as processes begin: all exceptions masked, round to nearest, subnormals
// kept.
const plainEnvironment = 0x1f80
