package dptree_test

import (
	"fmt"
	"math"

	"dpattn/core/dptree"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// The examples spend a budget that is far too large, so that what they print is without visible
// noise. A budget that protects has an epsilon around 1, and needs many more rows.
var vast = privacy.Budget{Epsilon: 1e7, Delta: 1e-6}

// How many visitors of each age there are, asked for ranges of ages.
func ExampleNewTree() {
	p := dptree.Params{Adjacency: privacy.AddRemove, Leaves: 100, Weight: 1}
	ages, ones := []int{17, 23, 23, 31, 64}, []float64{1, 1, 1, 1, 1}
	tree, _, err := dptree.NewTree(p, ages, ones, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, _, err := tree.Query(18, 65)
	fmt.Printf("%.2f %v\n", sum, err)
	// Output: 4.00 <nil>
}

// A structure's file is public, and answers what the structure answers.
func ExampleDecodeTree() {
	p := dptree.Params{Adjacency: privacy.AddRemove, Leaves: 4, Weight: 1}
	tree, _, err := dptree.NewTree(p, nil, []float64{1, 0.5, 0.25, -1}, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := dptree.DecodeTree(tree.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, _, _ := tree.Query(0, 3)
	same, _, _ := again.Query(0, 3)
	fmt.Printf("%.2f %v\n", sum, sum == same)
	// Output: 1.75 true
}

// The sum of the distances of all points from any other point, each point with weight 1.
func ExampleNewDistance() {
	p := dptree.Params{Adjacency: privacy.AddRemove, Leaves: 1 << 10, Range: 10, Weight: 1, Squared: true}
	d, _, err := dptree.NewDistance(p, []float64{1, 2, 4}, nil, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f %.1f\n", d.L1(3), d.L2(3))
	// Output: 4.0 6.0
}

// Points of two dimensions, with weights.
func ExampleNewHighDim() {
	p := dptree.Params{Adjacency: privacy.AddRemove, Leaves: 1 << 10, Range: 1, Weight: 2, Dim: 2, Squared: true}
	points := tensor.Of([]float64{0.2, 0.4, 0.6, 0.8}, 2, 2)
	weights := tensor.Of([]float64{1, 2}, 2, 1)
	d, _, err := dptree.NewHighDim(p, points, &weights, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	l1, l2, err := d.Both([]float64{0, 0})
	fmt.Printf("%.2f %.2f %v\n", l1, l2, err)
	// Output: 3.40 2.20 <nil>
}

// exp(<k, y>/d) for one key k = (0.5, 1) and y = (1, 1) is exp(0.75) = 2.117.
func ExampleNewSoftmax() {
	p := dptree.Params{Adjacency: privacy.AddRemove, Leaves: 1 << 12, Range: 1, Weight: 1, Dim: 2, Degree: 4}
	s, _, err := dptree.NewSoftmax(p, tensor.Of([]float64{0.5, 1}, 1, 2), nil, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, err := s.Sum([]float64{1, 1})
	fmt.Printf("%.1f %v\n", sum, err)
	// Output: 2.1 <nil>
}

// Copies share one budget: few of them are as private as the number that the paper takes, and more
// accurate. The degree is the least within the relative error.
func ExampleNewSoftmaxAdaptive() {
	p := dptree.Params{
		Adjacency: privacy.AddRemove, Leaves: 1 << 10, Range: 1, Weight: 1, Dim: 2, RelativeError: 0.01, Copies: 3,
	}
	s, _, err := dptree.NewSoftmaxAdaptive(p, tensor.Of([]float64{0.5, 1}, 1, 2), nil, nil, vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, err := s.Sum([]float64{1, 1})
	fmt.Printf("%.1f %v, degree %d\n", sum, err, s.Params().Degree)
	// Output: 2.1 <nil>, degree 2
}

// Rows may come in any number of calls, and from builders that are merged.
func ExampleNewAttentionBuilder() {
	p := dptree.Params{
		Adjacency: privacy.AddRemove, Leaves: 1 << 12, Range: 1, Weight: 1, Dim: 2, ValueDim: 1, Degree: 4, Copies: 1,
	}
	b, err := dptree.NewAttentionBuilder(p)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, values := tensor.Of([]float64{0, 0, 1, 1}, 2, 2), tensor.Of([]float64{-1, 1}, 2, 1)
	if err := b.Add(keys, values); err != nil {
		fmt.Println(err)
		return
	}
	a, err := b.Release(vast, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]float64, 1)
	answer, err := a.Attend([]float64{1, 1}, out) // (e - 1)/(e + 1) = 0.46, ln(e + 1) = 1.31
	fmt.Printf("%.2f %.2f %v\n", out[0], math.Log(answer.Normaliser), err)
	// Output: 0.46 1.31 <nil>
}

// What a release would cost with the paper's number of copies, before anything is made.
func ExampleEstimate() {
	p := dptree.Params{
		Adjacency: privacy.AddRemove, Rows: 1024, Range: 1, Weight: 1, Dim: 4, ValueDim: 4, Degree: 4,
		RelativeError: 0.1, FailureProbability: 0.01,
	}
	e, err := dptree.Estimate(p, privacy.Budget{Epsilon: 1, Delta: 1e-6})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Features, e.Params.Copies, e.Mechanisms, e.Bytes>>20)
	// Output: 70 581 6716360 9527
}
