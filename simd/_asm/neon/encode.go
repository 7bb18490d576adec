package main

import (
	"fmt"
	"strings"
)

// inst is an instruction that Go's assembler does not know. bits is its word with zeros where the
// operands go; the rest says how it is spelled in the Arm manual: arrangements of destination and
// sources (n, m), and a constant.
type inst struct {
	name    string
	bits    uint32
	d, n, m string
	suffix  string
}

// Q (bit 30) is the 2 of a name, or a vector of 128 bits; size (bits 23-22) is that of the narrower
// elements, or of the elements.
var (
	// Three registers of one kind: 0 Q U 01110 size 1 Rm opcode 1 Rn Rd. U is 1 for SQRDMULH.
	// sqrdmulh is (2 n m + 2^15) >> 16, saturated: mulhrs unless n = m = -2^15.
	sqrdmulh = inst{"sqrdmulh", 0x6e60b400, "8h", "8h", "8h", ""}
	smax     = inst{"smax", 0x4e606400, "8h", "8h", "8h", ""}
	mul      = inst{"mul", 0x4ea09c00, "4s", "4s", "4s", ""}
	// Floating point: 0 Q U 01110 0 sz 1 Rm opcode 1 Rn Rd, sz 0 for 32 bits.
	fmul  = inst{"fmul", 0x6e20dc00, "4s", "4s", "4s", ""}
	fadd  = inst{"fadd", 0x4e20d400, "4s", "4s", "4s", ""}
	fsub  = inst{"fsub", 0x4ea0d400, "4s", "4s", "4s", ""}
	fmax  = inst{"fmax", 0x4e20f400, "4s", "4s", "4s", ""}
	fcmgt = inst{"fcmgt", 0x6ea0e400, "4s", "4s", "4s", ""} // all bits of d where n > m
	// Three registers of different kinds: 0 Q U 01110 size 1 Rm opcode 00 Rn Rd.
	smlal  = inst{"smlal", 0x0e608000, "4s", "4h", "4h", ""} // d += n m, of the lower halves
	smlal2 = inst{"smlal2", 0x4e608000, "4s", "8h", "8h", ""}
	saddw  = inst{"saddw", 0x0ea01000, "2d", "2d", "2s", ""} // d = n + m, of the lower half of m
	saddw2 = inst{"saddw2", 0x4ea01000, "2d", "2d", "4s", ""}
	// Two registers and a shift: 0 Q U 011110 immh:immb opcode 1 Rn Rd. immh:immb is 16 + 0 for
	// SXTL, 2*16 - 14 for SQRSHRN.
	sxtl     = inst{"sxtl", 0x0f10a400, "4s", "4h", "", ""}
	sxtl2    = inst{"sxtl2", 0x4f10a400, "4s", "8h", "", ""}
	sqrshrn  = inst{"sqrshrn", 0x0f129c00, "4h", "4s", "", ", #14"} // (n + 2^13) >> 14, saturated
	sqrshrn2 = inst{"sqrshrn2", 0x4f129c00, "8h", "4s", "", ", #14"}
	// By element: 0 Q U 01111 size L M Rm opcode H 0 Rn Rd, with Rm below 16 and the lane H:L:M.
	smlalLane  = inst{"smlal", 0x0f402000, "4s", "4h", "h", ""} // d += n m[lane]
	smlal2Lane = inst{"smlal2", 0x4f402000, "4s", "8h", "h", ""}
)

// word is the instruction with its operands, for Go's assembler: destination, n, and m if there is
// one; with a lane if m is by element.
func (i inst) word(d, n int, m ...int) string {
	bits := i.bits | register(d, 32) | register(n, 32)<<5
	operands := []string{vector(d, i.d), vector(n, i.n)}
	switch {
	case i.m == "h" && len(m) == 2:
		lane := register(m[1], 8)
		bits |= register(m[0], 16)<<16 | lane>>2<<11 | lane>>1&1<<21 | lane&1<<20
		operands = append(operands, fmt.Sprintf("%s[%d]", vector(m[0], i.m), lane))
	case i.m != "h" && i.m != "" && len(m) == 1:
		bits |= register(m[0], 32) << 16
		operands = append(operands, vector(m[0], i.m))
	case i.m != "" || len(m) != 0:
		panic("operands of " + i.name)
	}
	return fmt.Sprintf("WORD $0x%08x // %s %s%s", bits, i.name, strings.Join(operands, ", "), i.suffix)
}

func vector(r int, arrangement string) string { return fmt.Sprintf("v%d.%s", r, arrangement) }

func register(r, limit int) uint32 {
	if r < 0 || r >= limit {
		panic("no such register or lane")
	}
	return uint32(r)
}
