// Code generated from include/dpattn.h by capi/_gen/generate.py. DO NOT EDIT.

package main

// #include "internal.h"
import "C"

import (
	"dpattn/core"
	"dpattn/core/codebook"
	"dpattn/core/dptree"
	"dpattn/core/fault"
	"dpattn/core/mechanism"
	"dpattn/core/moment"
	"dpattn/core/poly"
	"dpattn/core/tensor"
	treemech "dpattn/core/trees"
)

var same [1]struct{}

// The numbers of dpattn.h and those of core are the same: where a pair differs, its index below is
// not 0 and does not compile.
var _ = [...]struct{}{
	same[fault.OK-C.DPATTN_OK],
	same[fault.InvalidArgument-C.DPATTN_INVALID_ARGUMENT],
	same[fault.InvalidHandle-C.DPATTN_INVALID_HANDLE],
	same[fault.Consumed-C.DPATTN_CONSUMED],
	same[fault.BufferTooSmall-C.DPATTN_BUFFER_TOO_SMALL],
	same[fault.OutOfMemory-C.DPATTN_OUT_OF_MEMORY],
	same[fault.Cancelled-C.DPATTN_CANCELLED],
	same[fault.Forked-C.DPATTN_FORKED],
	same[fault.Corrupt-C.DPATTN_CORRUPT],
	same[fault.Unsupported-C.DPATTN_UNSUPPORTED],
	same[fault.Mismatch-C.DPATTN_MISMATCH],
	same[fault.Entropy-C.DPATTN_ENTROPY],
	same[fault.Limit-C.DPATTN_LIMIT],
	same[fault.Internal-C.DPATTN_INTERNAL],
	same[fault.Overspent-C.DPATTN_OVERSPENT],
	same[fault.Busy-C.DPATTN_BUSY],
	same[fault.IO-C.DPATTN_IO],
	same[tensor.F32-C.DPATTN_F32],
	same[tensor.F64-C.DPATTN_F64],
	same[tensor.F16-C.DPATTN_F16],
	same[tensor.BF16-C.DPATTN_BF16],
	same[core.AddRemove-C.DPATTN_ADD_REMOVE],
	same[core.Replace-C.DPATTN_REPLACE],
	same[moment.Number-C.DPATTN_GAUSSIAN],
	same[treemech.Number-C.DPATTN_DPTREE],
	same[codebook.Number-C.DPATTN_CODEBOOK],
	same[moment.Minimax-C.DPATTN_MINIMAX],
	same[moment.Taylor-C.DPATTN_TAYLOR],
	same[moment.Hadamard-C.DPATTN_ROTATION_HADAMARD],
	same[moment.NoRotation-C.DPATTN_ROTATION_NONE],
	same[treemech.KeepTrees-C.DPATTN_TREES_KEPT],
	same[treemech.NoTrees-C.DPATTN_TREES_NONE],
	same[tensor.MaxDim-C.DPATTN_MAX_NDIM],
	same[mechanism.MaxDim-C.DPATTN_MAX_DIM],
	same[poly.MaxDegree-C.DPATTN_MAX_DEGREE],
	same[mechanism.MaxOwnerRows-C.DPATTN_MAX_OWNER_ROWS],
	same[mechanism.MinOwnerBound-0.0009765625],
	same[moment.MaxLogitBound-64.0],
	same[mechanism.MaxRows-C.DPATTN_MAX_ROWS],
	same[dptree.MaxLeaves-C.DPATTN_MAX_LEAVES],
	same[dptree.MaxTreeLeaves-C.DPATTN_MAX_TREE_LEAVES],
	same[dptree.MaxCopies-C.DPATTN_MAX_COPIES],
	same[codebook.MaxCells-C.DPATTN_MAX_CELLS],
	same[core.MaxThreads-C.DPATTN_MAX_THREADS],
	same[core.AllHeads-C.DPATTN_ALL_HEADS],
}
