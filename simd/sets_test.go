package simd

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// everySet lists the sets of kernels that there are for an architecture, and the flags of
// /proc/cpuinfo that each needs.
var everySet = map[string][]struct{ name, flags string }{
	"amd64": {
		{"avx512vnni", "avx512f avx512bw avx512vl avx512_vnni"},
		{"avx512bw", "avx512f avx512bw avx512vl"},
		{"avx2", "avx2 fma"},
		{"generic", ""},
	},
	"arm64": {{"neon", ""}, {"generic", ""}},
}

// The tests of this package run every set of kernels that the processor has, says the kernel of the
// operating system, not our own dispatch: a path that is skipped must not pass for one that was
// checked. It prints how many there are.
func TestKernelSets(t *testing.T) {
	sets, ok := everySet[runtime.GOARCH]
	if !ok {
		sets = everySet["arm64"][1:]
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	has := map[string]bool{}
	for _, word := range strings.Fields(string(info)) {
		has[word] = true
	}
	var want []string
	for _, s := range sets {
		supported := true
		for _, flag := range strings.Fields(s.flags) {
			supported = supported && has[flag]
		}
		if supported || runtime.GOOS != "linux" {
			want = append(want, s.name)
		}
	}
	got := Available()
	if runtime.GOOS == "linux" && strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the dispatch offers %v; this processor has %v", got, want)
	}
	fmt.Printf("%d of %d sets of kernels checked: %s; in use: %s\n",
		len(got), len(sets), strings.Join(got, " "), Name())
}

// DPATTN_SIMD caps the choice: a set that the processor lacks gives the next one that it has, a
// name that nobody knows is ignored.
func TestChoose(t *testing.T) {
	list := available()
	if choose(list, "") != list[0] {
		t.Error("no cap must give the best")
	}
	for _, k := range list {
		if choose(list, k.name) != k {
			t.Errorf("%s was not chosen by its name", k.name)
		}
	}
	for _, unknown := range []string{"avx1024", "AVX2", "bogus", " "} {
		if choose(list, unknown) != list[0] {
			t.Errorf("a cap that nobody knows, %q, must give the best", unknown)
		}
	}
	last := list[len(list)-1:]
	if choose(last, "avx512vnni") != &generic || choose(last, "avx2") != &generic ||
		len(list) > 2 && choose(list[1:], order[0]) != list[1] {
		t.Error("a cap above what there is must give the best that there is")
	}
}
