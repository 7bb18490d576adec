package core_test

import (
	"fmt"
	"log"
	"math"

	"dpattn/core"
	"dpattn/core/codebook"
	"dpattn/core/moment"
	"dpattn/core/privacy"
	"dpattn/core/tensor"
)

// rows are 100,000 keys on the unit circle, half of them near (1, 0) and half near (0, 1), with
// values that say which.
func rows() (keys, values []float32) {
	for i := range 100_000 {
		angle := 0.1 * math.Sin(float64(i))
		if i%2 == 1 {
			angle += math.Pi / 2
		}
		keys = append(keys, float32(math.Cos(angle)), float32(math.Sin(angle)))
		values = append(values, float32(1-i%2), float32(i%2))
	}
	return keys, values
}

// Private keys and values go in once, the release that comes out answers any number of queries.
func Example() {
	builder, err := core.NewBuilder(core.Params{
		KeyDim: 2, ValueDim: 2, Adjacency: core.AddRemove,
		Mechanism: moment.Params{Degree: 4, KeyBound: 1.01, ValueBound: 1, QueryBound: 1, Scale: 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	keys, values := rows()
	if err := builder.Add(0, tensor.Of(keys, 100_000, 2), tensor.Of(values, 100_000, 2), nil, nil); err != nil {
		log.Fatal(err)
	}
	release, err := builder.Release(privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
	if err != nil {
		log.Fatal(err)
	}
	query, out := []float32{1, 0}, make([]float32, 2)
	if _, err := release.Attend(tensor.Of(query, 1, 2), tensor.Of(out, 1, 2), nil, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("softmax attention is 0.88 0.12; private: %.1f %.1f\n", out[0], out[1])
	// Output: softmax attention is 0.88 0.12; private: 0.9 0.1
}

// Where there are public rows of the same kind, their centroids make attention sharp; and the
// release is a key-value cache.
func ExampleRelease_KV() {
	builder, err := core.NewBuilder(core.Params{
		KeyDim: 2, ValueDim: 2, Adjacency: core.AddRemove,
		Mechanism: codebook.Params{
			Cells: 3, Codebook: []float64{1, 0, 0, 1, -1, 0}, KeyBound: 1.01, ValueBound: 1, Scale: 20,
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	k, v := rows()
	if err := builder.Add(0, tensor.Of(k, 100_000, 2), tensor.Of(v, 100_000, 2), nil, nil); err != nil {
		log.Fatal(err)
	}
	release, err := builder.Release(privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
	if err != nil {
		log.Fatal(err)
	}
	keys, values, bias := make([]float32, 6), make([]float32, 6), make([]float32, 3)
	if err := release.KV(tensor.Of(keys, 3, 2), tensor.Of(values, 3, 2), tensor.Of(bias, 1, 3)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("about %.0f,000 rows near (%.0f, %.0f), mean value (%.1f, %.1f)\n",
		math.Exp(float64(bias[0]))/1000, keys[0], keys[1], values[0], math.Abs(float64(values[1])))
	// Output: about 50,000 rows near (1, 0), mean value (1.0, 0.0)
}

// A release is a file that any process loads.
func ExampleLoad() {
	builder, err := core.NewBuilder(core.Params{
		KeyDim: 2, ValueDim: 2, Adjacency: core.Replace,
		Mechanism: moment.Params{KeyBound: 1, ValueBound: 1, QueryBound: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	release, err := builder.Release(privacy.Budget{Epsilon: 1, Delta: 1e-6}, nil)
	if err != nil {
		log.Fatal(err)
	}
	file := make([]byte, release.Info().SaveBytes)
	if _, err := release.Save(file); err != nil {
		log.Fatal(err)
	}
	loaded, err := core.Load(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(loaded.Info().ID == release.Info().ID, loaded.Info().Adjacency)
	// Output: true replace
}

// A plan says what a release would be like, from public numbers alone.
func ExamplePlan() {
	plan, err := core.Plan(core.Params{
		KeyDim: 64, ValueDim: 64, Adjacency: core.AddRemove,
		Mechanism: moment.Params{KeyBound: 1, ValueBound: 1, QueryBound: 2, Scale: 1},
	}, 20_000, privacy.Budget{Epsilon: 1, Delta: 1e-6}, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("degree %d, %d features, noise %.4f of a value at its bound\n",
		plan.Degree, plan.Features, plan.NoiseStddev)
	// Output: degree 4, 814385 features, noise 0.0016 of a value at its bound
}

// Private and public context make one answer.
func ExampleMergeAttention() {
	private, privateLSE := []float64{1, 0}, []float64{math.Log(3)}
	public, publicLSE := []float64{0, 1}, []float64{math.Log(1)}
	out := make([]float64, 2)
	err := core.MergeAttention(
		tensor.Of(private, 1, 2), tensor.Of(privateLSE, 1, 1),
		tensor.Of(public, 1, 2), tensor.Of(publicLSE, 1, 1), tensor.Of(out, 1, 2), nil)
	fmt.Printf("%.2f %v\n", out, err)
	// Output: [0.75 0.25] <nil>
}
