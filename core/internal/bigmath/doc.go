// Package bigmath has the few functions of long numbers, with proven error bounds, that exact
// sampling and exact accounting need.
package bigmath
