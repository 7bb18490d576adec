package main

import (
	"fmt"
	"testing"
)

// The words are those of GNU as for the text beside them.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		got  string
		bits uint32
		text string
	}{
		{sqrdmulh.word(1, 2, 31), 0x6e7fb441, "sqrdmulh v1.8h, v2.8h, v31.8h"},
		{smax.word(31, 0, 17), 0x4e71641f, "smax v31.8h, v0.8h, v17.8h"},
		{mul.word(8, 9, 16), 0x4eb09d28, "mul v8.4s, v9.4s, v16.4s"},
		{fmul.word(1, 2, 31), 0x6e3fdc41, "fmul v1.4s, v2.4s, v31.4s"},
		{fmul.word(30, 17, 8), 0x6e28de3e, "fmul v30.4s, v17.4s, v8.4s"},
		{fadd.word(1, 2, 31), 0x4e3fd441, "fadd v1.4s, v2.4s, v31.4s"},
		{fsub.word(30, 17, 8), 0x4ea8d63e, "fsub v30.4s, v17.4s, v8.4s"},
		{fmax.word(1, 2, 31), 0x4e3ff441, "fmax v1.4s, v2.4s, v31.4s"},
		{fcmgt.word(30, 17, 8), 0x6ea8e63e, "fcmgt v30.4s, v17.4s, v8.4s"},
		{smlal.word(30, 21, 10), 0x0e6a82be, "smlal v30.4s, v21.4h, v10.4h"},
		{smlal2.word(30, 21, 10), 0x4e6a82be, "smlal2 v30.4s, v21.8h, v10.8h"},
		{saddw.word(5, 2, 29), 0x0ebd1045, "saddw v5.2d, v2.2d, v29.2s"},
		{saddw2.word(5, 2, 29), 0x4ebd1045, "saddw2 v5.2d, v2.2d, v29.4s"},
		{sxtl.word(8, 19), 0x0f10a668, "sxtl v8.4s, v19.4h"},
		{sxtl2.word(8, 19), 0x4f10a668, "sxtl2 v8.4s, v19.8h"},
		{sqrshrn.word(3, 27), 0x0f129f63, "sqrshrn v3.4h, v27.4s, #14"},
		{sqrshrn2.word(3, 27), 0x4f129f63, "sqrshrn2 v3.8h, v27.4s, #14"},
		{smlalLane.word(31, 16, 15, 0), 0x0f4f221f, "smlal v31.4s, v16.4h, v15.h[0]"},
		{smlalLane.word(0, 2, 1, 1), 0x0f512040, "smlal v0.4s, v2.4h, v1.h[1]"},
		{smlal2Lane.word(0, 2, 1, 2), 0x4f612040, "smlal2 v0.4s, v2.8h, v1.h[2]"},
		{smlal2Lane.word(8, 5, 0, 4), 0x4f4028a8, "smlal2 v8.4s, v5.8h, v0.h[4]"},
		{smlal2Lane.word(31, 31, 15, 7), 0x4f7f2bff, "smlal2 v31.4s, v31.8h, v15.h[7]"},
	} {
		if want := fmt.Sprintf("WORD $0x%08x // %s", c.bits, c.text); c.got != want {
			t.Errorf("got %s, want %s", c.got, want)
		}
	}
}
