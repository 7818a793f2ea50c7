// Package tariff has tests of its own for half of what it does.
package tariff

// Adult reports whether somebody pays the full price.
func Adult(age int) bool { return age >= 18 }

// Free reports whether somebody pays nothing.
func Free(age int) bool { return age < 6 }

// Group reports whether so many people are a group.
func Group(people int) bool { return people > 9 }
