package mechanism

import "dpattn/core/privacy"

// Certificate is what every certificate begins with. A certificate is everything that somebody
// needs to recompute the guarantee, and all of it is public. docs/formats.md describes the fields.
type Certificate struct {
	Format    string  `json:"format"`
	Library   string  `json:"library"`
	ID        string  `json:"id"`
	Mechanism string  `json:"mechanism"`
	Adjacency string  `json:"adjacency"`
	Unit      Unit    `json:"unit"`
	Epsilon   float64 `json:"epsilon"`
	Delta     float64 `json:"delta"`
}

// Info describes a release. Mechanism in Params has its defaults filled in, as far as a release
// knows them.
type Info struct {
	Params
	Budget          privacy.Budget // the guarantee
	Degree          int            // of the polynomial; 0: there is none
	Scale           float64        // a logit is Scale * <q, k>
	LogitBound      float64        // b
	PolynomialError float64        // max |p(x)/e^x - 1| on [-b, b]
	Mu              float64        // Gaussian DP parameter actually spent; 0: there is none
	Features        uint64         // numbers of the state a head and column
	StateBytes      uint64
	SaveBytes       uint64
	ID              [16]byte
}

// PlanResult says what a release would cost and how accurate it would be.
type PlanResult struct {
	Degree               int
	Features             uint64  // r, a head
	StateBytes           uint64  // of the builder
	ReleaseBytes         uint64  // of the saved release
	LogitBound           float64 // b
	PolynomialError      float64 // max |p(x)/e^x - 1| on [-b, b]
	Mu                   float64 // Gaussian DP parameter of the budget
	SigmaOverSensitivity float64 // of the noisiest head
	// NoiseStddev is that of one output coordinate near 0, at |q| = QueryBound and mean attention
	// weight 1; NoiseStddevWorst the same with every weight e^-b.
	NoiseStddev, NoiseStddevWorst float64
	RowsForError                  uint64 // least n with NoiseStddev <= targetError; 0 if targetError is 0
}
