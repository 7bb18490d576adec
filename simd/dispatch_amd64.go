package simd

import "github.com/klauspost/cpuid/v2"

// Widths 1..13 and 1..6 of the tiles; index 0 is never used.
var (
	tilesVNNI = [...]tileFunc{nil, tileVNNI1, tileVNNI2, tileVNNI3, tileVNNI4, tileVNNI5, tileVNNI6, tileVNNI7, tileVNNI8, tileVNNI9, tileVNNI10, tileVNNI11, tileVNNI12, tileVNNI13}
	tilesBW   = [...]tileFunc{nil, tileBW1, tileBW2, tileBW3, tileBW4, tileBW5, tileBW6, tileBW7, tileBW8, tileBW9, tileBW10, tileBW11, tileBW12, tileBW13}
	tilesAVX2 = [...]tileFunc{nil, tileAVX2x1, tileAVX2x2, tileAVX2x3, tileAVX2x4, tileAVX2x5, tileAVX2x6}
)

// available lists what this processor has, best first.
func available() []*kernels {
	var list []*kernels
	bw := cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL)
	// The assembler's VPDPWSSD is the EVEX form, which AVX512VNNI brings; AVX-VNNI alone does not.
	if bw && cpuid.CPU.Supports(cpuid.AVX512VNNI) {
		list = append(list, &kernels{name: "avx512vnni", scale: scaleBW, lift: liftBW, gen: genVNNI, tiles: tilesVNNI[:]})
	}
	if bw {
		list = append(list, &kernels{name: "avx512bw", scale: scaleBW, lift: liftBW, gen: genBW, tiles: tilesBW[:]})
	}
	if cpuid.CPU.Supports(cpuid.AVX2) {
		list = append(list, &kernels{name: "avx2", scale: scaleAVX2, lift: liftAVX2, gen: genAVX2, tiles: tilesAVX2[:]})
	}
	return append(list, &generic)
}
