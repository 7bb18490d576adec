// Command samples is the part of `make bench` that runs inside Go: a server of samples. bench.py
// asks for one sample after the other, ours and others' in turn, so that whatever disturbs the
// machine disturbs all of them.
//
// Each line on standard input is a request in JSON, each line on standard output its answer: an
// object of numbers, null where the machine cannot measure it.
package main

import (
	"bufio"
	"dpattn/bench/probe"
	"dpattn/core"
	"dpattn/simd"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/cpuid/v2"
)

// request asks for one sample.
type request struct {
	Op      string  `json:"op"`
	Name    string  `json:"name"`    // probe: the loop
	Bytes   int     `json:"bytes"`   // read: of each thread's piece
	D       int     `json:"d"`       // key_dim
	DV      int     `json:"dv"`      // value_dim
	S       int     `json:"s"`       // degree
	Cells   int     `json:"cells"`   // of a codebook
	N       int     `json:"n"`       // rows
	Batch   int     `json:"batch"`   // queries a call
	Threads int     `json:"threads"` // goroutines
	MS      float64 `json:"ms"`      // least length of the sample, in milliseconds
}

func (r request) shape() shape { return shape{r.D, r.DV, r.S} }

func (r request) long() time.Duration { return time.Duration(r.MS * float64(time.Millisecond)) }

// answer is one sample; a nil value is null.
type answer map[string]any

var ops = map[string]func(request) answer{
	"machine": machine, "probe": probeRate, "read": readRate, "sums": sums,
	"add": add, "attend": attend, "noise": samples, "memory": memory,
	"codebook_add": codebookAdd, "codebook_attend": codebookAttend,
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var r request
		check(json.Unmarshal(in.Bytes(), &r))
		op, ok := ops[r.Op]
		if !ok {
			check(fmt.Errorf("samples: no such op: %q", r.Op))
		}
		if r.Threads > 0 {
			check(core.SetThreads(r.Threads))
		}
		check(out.Encode(op(r)))
	}
	check(in.Err())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// machine says what this is. Cache sizes are in bytes, -1 where unknown.
func machine(request) answer {
	c := cpuid.CPU
	return answer{
		"cpu": c.BrandName, "simd": simd.Name(), "threads": runtime.GOMAXPROCS(0),
		"os": runtime.GOOS, "arch": runtime.GOARCH, "go": runtime.Version(),
		"l1": c.Cache.L1D, "l2": c.Cache.L2, "l3": c.Cache.L3,
	}
}

// repeat calls work, which does some units of work, until long has passed, and returns units a
// second.
func repeat(long time.Duration, work func() float64) float64 { return probe.Rate(long, work) }
