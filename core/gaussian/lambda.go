package gaussian

import (
	"math"

	"dpattn/core/fault"
	"dpattn/core/quant"
)

// CheckedLambda is lambda, the weight of the column that counts rows beside the columns of values,
// with its default filled in, and checked, for a checked bound on values.
func CheckedLambda(lambda, valueBound float64, valueDim int) (float64, error) {
	if lambda == 0 {
		// Unlike Pow, the same bits on every machine.
		lambda = valueBound / math.Sqrt(math.Sqrt(float64(valueDim)))
	}
	if ratio := lambda / valueBound; !(ratio >= 1./64 && ratio <= 16) {
		return 0, fault.Invalid("params.lambda is %v; it must be in value_bound/64 .. value_bound*16 "+
			"(value_bound is %v)", lambda, valueBound)
	}
	return lambda, nil
}

// GridLambda is a checked lambda on the integer grid of values.
func GridLambda(lambda, valueBound float64) int16 {
	return int16(math.RoundToEven(lambda / valueBound * quant.ValueScale))
}
