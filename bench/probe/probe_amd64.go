package probe

import "github.com/klauspost/cpuid/v2"

// accumulators is how many times a round of a loop runs its instruction.
const accumulators = 10

// loops lists what this processor has.
func loops() []Loop {
	has := cpuid.CPU.Supports
	var list []Loop
	add := func(ok bool, name string, run func(int), macs int) {
		if ok {
			list = append(list, Loop{name, run, accumulators * macs})
		}
	}
	add(has(cpuid.AVX512F, cpuid.AVX512VNNI), "vpdpwssd", vpdpwssd512, 32)
	add(has(cpuid.AVX512F, cpuid.AVX512BW), "vpmaddwd_zmm", vpmaddwd512, 32)
	add(has(cpuid.AVX2), "vpmaddwd_ymm", vpmaddwd256, 16)
	add(has(cpuid.AVX512F), "fma_f32", fma512, 16)
	// Where 512 bits are lacking, the next loop is the limit of f32.
	add(has(cpuid.AVX2, cpuid.FMA3), "fma_f32", fma256, 8)
	return list
}

func widest() reader {
	switch has := cpuid.CPU.Supports; {
	case has(cpuid.AVX512F):
		return read512
	case has(cpuid.AVX2):
		return read256
	}
	return nil
}
