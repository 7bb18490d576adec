#include "textflag.h"

// func swapEnvironment(new uint32) (old uint32)
TEXT ·swapEnvironment(SB), NOSPLIT, $0-12
	STMXCSR old+8(FP)
	LDMXCSR new+0(FP)
	RET
