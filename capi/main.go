// Package main is the C library: the functions of include/dpattn.h over the packages below core.
//
// A call enters through a visible function in abi.c, which refuses a forked child, and goes on to
// the Go export of the same name and type. The export looks up handles (handles.go), views the
// caller's structs (structs.go, params.go), tensors (tensors.go) and buffers (buffers.go) without
// copying what is large, calls core, and turns an error or a panic into a status (guard.go).
package main

func main() {}
