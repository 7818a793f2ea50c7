// Package counted writes how many of something there are.
package counted

import "fmt"

// Of returns a number and what is counted: in the singular if it is 1.
func Of[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// Guests returns a number of guests.
func Guests(n int) string { return Of(n, "guest", "guests") }

// Resting returns a number of addresses in quarantine.
func Resting(n int) string { return Of(n, "address in quarantine", "addresses in quarantine") }
