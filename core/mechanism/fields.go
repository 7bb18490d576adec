package mechanism

import (
	"math"

	"dpattn/core/fault"
)

// Field is one parameter or fact by the name that include/dpattn.h gives it. Value is an int64, a
// uint64, a float64, a []float64 or, of what is long, a string that names it.
type Field struct {
	Name  string
	Value any
}

// Set reports whether the field is anything but zero, or nil.
func (f Field) Set() bool {
	switch v := f.Value.(type) {
	case int64:
		return v != 0
	case uint64:
		return v != 0
	case float64:
		return v != 0
	case []float64:
		return v != nil // a pointer that reaches over nothing is set, too
	case string:
		return v != ""
	}
	return false
}

// Fields are a caller's parameters, of which each mechanism reads its own. What is set and not read
// is refused: a caller who sets a bound must not believe that it is kept.
type Fields struct {
	list []Field
	read map[string]bool
}

// NewFields makes Fields.
func NewFields(list []Field) *Fields { return &Fields{list, map[string]bool{}} }

func (f *Fields) value(name string) any {
	f.read[name] = true
	for _, field := range f.list {
		if field.Name == name {
			return field.Value
		}
	}
	return nil
}

// Int reads an integer; one beyond the range of int becomes the end of that range.
func (f *Fields) Int(name string) int {
	switch v := f.value(name).(type) {
	case int64:
		return int(min(max(v, math.MinInt), math.MaxInt))
	case uint64:
		return int(min(v, math.MaxInt))
	}
	return 0
}

// Uint64 reads an unsigned integer.
func (f *Fields) Uint64(name string) uint64 {
	v, _ := f.value(name).(uint64)
	return v
}

// Float reads a number.
func (f *Fields) Float(name string) float64 {
	v, _ := f.value(name).(float64)
	return v
}

// Floats reads an array; nil where it is not there.
func (f *Fields) Floats(name string) []float64 {
	v, _ := f.value(name).([]float64)
	return v
}

// Unread is an error if a field is set that nobody has read.
func (f *Fields) Unread(mechanism string) error {
	for _, field := range f.list {
		if field.Set() && !f.read[field.Name] {
			return fault.Invalid("params.%s is set; the mechanism %s does not read it, and it must be 0 or NULL",
				field.Name, mechanism)
		}
	}
	return nil
}
