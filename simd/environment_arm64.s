#include "textflag.h"

// func swapEnvironment(new uint32) (old uint32)
TEXT ·swapEnvironment(SB), NOSPLIT, $0-12
	MRS   FPCR, R0
	MOVW  R0, old+8(FP)
	MOVWU new+0(FP), R1
	MSR   R1, FPCR
	RET
