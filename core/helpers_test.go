package core

// sumsOf is the secret half of a builder of the Gaussian mechanism.
func sumsOf(b *Builder) *gaussianSums { return b.secret.(*gaussianSums) }

// stateOf is the public half of a release of the Gaussian mechanism.
func stateOf(r *Release) *gaussianState { return r.public.(*gaussianState) }
