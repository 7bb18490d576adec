package core

import (
	"dpattn/core/mechanism"
	"dpattn/core/privacy"
)

// What callers and mechanisms share, under the names that callers use.
type (
	// Params are the public choices of a release: what all mechanisms share, and the mechanism.
	Params = mechanism.Params
	// Progress lets long work report and be cancelled.
	Progress = mechanism.Progress
	// Diagnostics counts what became of rows. SECRET.
	Diagnostics = mechanism.Diagnostics
	// PlanResult says what a release would cost and how accurate it would be.
	PlanResult = mechanism.PlanResult
	// Info describes a release.
	Info = mechanism.Info
	// Adjacency says which data sets are neighbours. It has no default.
	Adjacency = privacy.Adjacency
)

// Adjacencies.
const (
	AddRemove = privacy.AddRemove
	Replace   = privacy.Replace
)

// AllHeads as a head index means tensors with a leading axis of heads.
const AllHeads = mechanism.AllHeads
