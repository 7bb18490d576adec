package privacy

// Adjacency says which data sets are neighbours. It has no default.
type Adjacency int32

// Adjacencies, with the numbers of the C header.
const (
	AddRemove Adjacency = 1 // one unit is added or removed; the number of rows is private
	// one unit's rows are replaced; the number of rows is public, with owners as units not
	// published
	Replace Adjacency = 2
)

func (a Adjacency) String() string {
	switch a {
	case AddRemove:
		return "add_remove"
	case Replace:
		return "replace"
	}
	return "unknown"
}
