// Command asm writes the probes of package probe:
//
//	go run . -out ../probe_amd64.s -stubs ../stubs_amd64.go -pkg probe
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func main() {
	ConstraintExpr("amd64")
	zmm := vector{func() Op { return ZMM() }, func(v Op) { VPXORD(v, v, v) }}
	ymm := vector{func() Op { return YMM() }, func(v Op) { VPXOR(v, v, v) }}
	loop("vpdpwssd512", "VPDPWSSD of 512 bit", zmm, fused(func(a, b, acc Op) { VPDPWSSD(a, b, acc) }))
	loop("vpmaddwd512", "VPMADDWD and VPADDD of 512 bit", zmm, split)
	loop("vpmaddwd256", "VPMADDWD and VPADDD of 256 bit", ymm, split)
	loop("fma512", "VFMADD231PS of 512 bit", zmm, fused(func(a, b, acc Op) { VFMADD231PS(a, b, acc) }))
	loop("fma256", "VFMADD231PS of 256 bit", ymm, fused(func(a, b, acc Op) { VFMADD231PS(a, b, acc) }))
	read("read512", 64, func(m Mem) { VMOVUPS(m, ZMM()) })
	read("read256", 32, func(m Mem) { VMOVUPS(m, YMM()) })
	Generate()
}

// vector is a width of registers.
type vector struct {
	register func() Op
	clear    func(Op)
}

// accumulators is more than latency times instructions a cycle: 4 cycles, 2 a cycle. 256-bit code
// has 16 registers: 2 factors and 4 products are the others.
const accumulators = 10

// fused is a round of instructions that multiply and add.
func fused(step func(a, b, acc Op)) func(a, b Op, products, acc []Op) {
	return func(a, b Op, _, acc []Op) {
		for _, v := range acc {
			step(a, b, v)
		}
	}
}

// split is a round of multiplications and additions. In groups they find more free ports than in
// turns.
func split(a, b Op, products, acc []Op) {
	for len(acc) > 0 {
		n := min(len(acc), len(products))
		for i := range n {
			VPMADDWD(a, b, products[i])
		}
		for i := range n {
			VPADDD(products[i], acc[i], acc[i])
		}
		acc = acc[n:]
	}
}

// loop is a function that does n rounds. All registers are zero, so that nothing is ever denormal.
func loop(name, what string, v vector, round func(a, b Op, products, acc []Op)) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " runs " + what + " n times on each of 10 accumulators.")
	n := Load(Param("n"), GP64())
	all := make([]Op, 6+accumulators)
	for i := range all {
		all[i] = v.register()
		v.clear(all[i])
	}
	Label(name + "_loop")
	round(all[0], all[1], all[2:6], all[6:])
	DECQ(n)
	JNZ(LabelRef(name + "_loop"))
	VZEROUPPER()
	RET()
}

// read is a function that loads memory and drops it.
func read(name string, size int, load func(Mem)) {
	const unroll = 512
	TEXT(name, NOSPLIT, "func(p *byte, blocks int, times int)")
	Doc(name + " loads blocks blocks of 512 bytes from p, times times.")
	p, blocks, times := Load(Param("p"), GP64()), Load(Param("blocks"), GP64()), Load(Param("times"), GP64())
	at, left := GP64(), GP64()
	Label(name + "_again")
	MOVQ(p, at)
	MOVQ(blocks, left)
	Label(name + "_loop")
	for i := 0; i < unroll; i += size {
		load(Mem{Base: at, Disp: i})
	}
	ADDQ(U32(unroll), at)
	DECQ(left)
	JNZ(LabelRef(name + "_loop"))
	DECQ(times)
	JNZ(LabelRef(name + "_again"))
	VZEROUPPER()
	RET()
}
