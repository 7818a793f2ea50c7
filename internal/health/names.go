package health

import "strings"

// mostNamed is how many names a message has.
const mostNamed = 5

// SomeOf lists names for a message, but not too many.
func SomeOf(names []string) string {
	if len(names) > mostNamed {
		names = append(names[:mostNamed:mostNamed], "…")
	}
	return strings.Join(names, ", ")
}
