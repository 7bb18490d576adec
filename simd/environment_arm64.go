package simd

// plainEnvironment is FPCR as processes begin: round to nearest, subnormals kept.
const plainEnvironment = 0
