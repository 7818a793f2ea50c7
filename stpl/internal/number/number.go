// Package number has what Python does with integers and floats and Go does not:
// rounding, powers, reading and writing them.
package number

// MaxBits bounds integers; Python has no such bound, but no template needs more.
const MaxBits = 1 << 18

// MaxDigits is Python's own bound on decimal text of integers.
const MaxDigits = 4300

// ValueError and OverflowError are errors with the names and words of Python's.
type (
	ValueError    string
	OverflowError string
)

func (e ValueError) Error() string    { return string(e) }
func (e OverflowError) Error() string { return string(e) }

// ErrBits is the error of an integer beyond MaxBits.
const ErrBits = OverflowError("integers of more than 262144 bits are not supported")

// ErrSyntax is the error of a text that is no number.
const ErrSyntax = ValueError("no number")
