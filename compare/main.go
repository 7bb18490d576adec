// Command compare is `make compare`: it measures the paper's DPTreeCrossAttention against the
// moment release at equal (epsilon, delta), and how its cost and error grow, and writes what it
// measured as JSON. compare.py makes tables and a plot of it, docs/paper.md explains them.
//
// Times are processor time of one thread, so that what else the machine does hardly enters. Nothing
// is extrapolated: what does not fit is left out, with the figures of the estimator.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"dpattn/core"

	"github.com/klauspost/cpuid/v2"
)

func main() {
	out := flag.String("out", "", "where to write the JSON")
	quick := flag.Bool("quick", false, "few and small samples")
	flag.Parse()
	if *out == "" {
		check(fmt.Errorf("compare: -out is missing"))
	}
	check(core.SetThreads(1))
	start := time.Now()
	result := map[string]any{
		"machine": map[string]any{
			"cpu": cpuid.CPU.BrandName, "go": runtime.Version(),
			"date": time.Now().UTC().Format(time.DateOnly), "quick": *quick,
		},
		"setting":  setting(),
		"releases": releases(*quick),
		"scaling":  scaling(*quick),
		"error":    errors(*quick),
	}
	result["seconds"], result["cpu_seconds"] = time.Since(start).Seconds(), cpu()
	text, err := json.MarshalIndent(result, "", " ")
	check(err)
	check(os.WriteFile(*out, append(text, '\n'), 0o644))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// note tells whoever waits.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// cpu is the processor time that this process has used, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// timed is the processor time that work takes: the least of several runs, as long as they together
// take less than a second. Short work is repeated within a run, since the clock of processor time
// is coarse.
func timed(work func()) float64 {
	const short = 0.02
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	run := func(times int) float64 {
		start := cpu()
		for range times {
			work()
		}
		return (cpu() - start) / float64(times)
	}
	best := run(1)
	all, times := best, 1
	if best < short {
		times = int(short/max(best, 1e-6)) + 1
		best = run(times)
	}
	for runs := 0; runs < 8 && all < 1; runs++ {
		took := run(times)
		all += took * float64(times)
		best = min(best, took)
	}
	return best
}
