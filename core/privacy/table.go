package privacy

// tableDeltas are the deltas of Table.
var tableDeltas = []float64{1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12}

// Table returns points (epsilon, delta) of the curve of mu for delta = 1e-3, 1e-4, ..., 1e-12. All
// of them hold at once.
func Table(mu float64) []Budget {
	table := make([]Budget, len(tableDeltas))
	for i, delta := range tableDeltas {
		table[i] = Budget{Epsilon(mu, delta), delta}
	}
	return table
}

// GroupLine is a promise for several units of data at once.
type GroupLine struct {
	Units int
	Budget
}

// GroupTable returns, for each number of units, the epsilon that holds at delta for data sets that
// differ in so many units.
func GroupTable(mu, delta float64, units ...int) []GroupLine {
	table := make([]GroupLine, len(units))
	for i, k := range units {
		table[i] = GroupLine{k, Budget{Epsilon(Group(mu, k), delta), delta}}
	}
	return table
}
