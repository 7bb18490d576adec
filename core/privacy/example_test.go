package privacy_test

import (
	"fmt"
	"math"
	"math/big"

	"dpattn/core/fault"
	"dpattn/core/privacy"
)

// From a promise to noise: the integer sigma that gives (1, 1e-5) to a sum of sensitivity 10,000.
func ExampleSigma() {
	mu, err := privacy.Mu(1, 1e-5)
	if err != nil {
		fmt.Println(err)
		return
	}
	sensitivity2 := big.NewInt(10_000 * 10_000)
	sigma, err := privacy.Sigma(sensitivity2, mu)
	fmt.Println(sigma, err)
	// Output:
	// 37307 <nil>
}

// The largest mu within a promise; the promise that it keeps is the one that was asked for.
func ExampleMu() {
	mu, err := privacy.Mu(1, 1e-5)
	fmt.Printf("%.6f %v\n", mu, err)
	fmt.Println(privacy.Delta(1, mu) <= 1e-5)
	// Output:
	// 0.268051 <nil>
	// true
}

// One mu stands for a whole curve of promises that hold at once.
func ExampleEpsilon() {
	for _, delta := range []float64{1e-3, 1e-6, 1e-9} {
		fmt.Printf("delta %.0e: epsilon %.4f\n", delta, privacy.Epsilon(0.5, delta))
	}
	// Output:
	// delta 1e-03: epsilon 1.3523
	// delta 1e-06: epsilon 2.2541
	// delta 1e-09: epsilon 2.9097
}

func ExampleDelta() {
	fmt.Printf("%.3e\n", privacy.Delta(1, 0.25))
	fmt.Printf("%.3e\n", privacy.Delta(1, 0.5))
	// Output:
	// 2.924e-06
	// 6.830e-03
}

// Parameters that are no numbers, or promise nothing, are refused.
func ExampleBudget_Validate() {
	fmt.Println(privacy.Budget{Epsilon: 1, Delta: 1e-6}.Validate())
	fmt.Println(privacy.Budget{Epsilon: math.NaN(), Delta: 1e-6}.Validate())
	fmt.Println(privacy.Budget{Epsilon: 1, Delta: 0}.Validate())
	// Output:
	// <nil>
	// epsilon is NaN, must be above 0 and finite
	// delta is 0, must be above 0 and below 1
}

// Four equal releases get half of mu each, and three units of data at once see three times as much.
func ExampleSplit() {
	fmt.Println(privacy.Split(1, 4), privacy.Group(0.5, 3))
	// Output:
	// 0.5 1.5
}

// Two releases of sensitivity 3 and 4 with noise of sigma 10 add up to mu = sqrt(0.3^2 + 0.4^2).
func ExampleMuSquared() {
	square := privacy.MuSquared([]privacy.Term{
		{Parts: 1, Squared: big.NewInt(9), Sigma: 10},
		{Parts: 1, Squared: big.NewInt(16), Sigma: 10},
	})
	fmt.Println(square, privacy.RootUp(square))
	// Output:
	// 1/4 0.5
}

// Releases of one data set draw on one allowance until it is spent.
func ExampleAllowance() {
	a, err := privacy.MuAllowance(0.5)
	if err != nil {
		fmt.Println(err)
		return
	}
	release := privacy.Cost{MuSquared: big.NewRat(1, 10)} // mu^2 = 0.1 of 0.25
	fmt.Println(a.Check([]privacy.Cost{release, release}))
	err = a.Check([]privacy.Cost{release, release, release})
	fmt.Println(fault.CodeOf(err) == fault.Overspent)
	// Output:
	// <nil>
	// true
}

// A promise for 1000 mechanisms together, and what each of them may spend.
func ExampleSplitBudget() {
	c, err := privacy.SplitBudget(privacy.Budget{Epsilon: 1, Delta: 1e-6}, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v, epsilon %.5f each\n", c.Rule, c.Epsilon0)
	total := c.Total()
	fmt.Println(total.Epsilon <= 1, total.Delta <= 1e-6)
	// Output:
	// advanced, epsilon 0.00568 each
	// true true
}

// Truncated Laplace noise for a count, which one unit changes by 1.
func ExampleLaplace() {
	distribution, err := privacy.Laplace(1, 0.5, 1e-6)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("support %d, epsilon %.4f\n", distribution.Support, privacy.LaplaceEpsilon(distribution, 1))
	fmt.Println(privacy.LaplaceDelta(distribution, 1) <= 1e-6)
	// Output:
	// support 25, epsilon 0.5000
	// true
}

func ExampleTable() {
	for _, point := range privacy.Table(0.5)[:3] {
		fmt.Printf("(%.4f, %.0e)\n", point.Epsilon, point.Delta)
	}
	// Output:
	// (1.3523, 1e-03)
	// (1.6981, 1e-04)
	// (1.9931, 1e-05)
}

func ExampleGroupTable() {
	for _, line := range privacy.GroupTable(0.1, 1e-6, 1, 2, 10) {
		fmt.Printf("%d units: epsilon %.4f\n", line.Units, line.Epsilon)
	}
	// Output:
	// 1 units: epsilon 0.3969
	// 2 units: epsilon 0.8341
	// 10 units: epsilon 4.8866
}
