// Package shop sells tickets.
package shop

import "mdserver/test/mutants/testdata/tariff"

// Price is what somebody pays.
func Price(age int) int {
	if tariff.Free(age) {
		return 0
	}
	return 10
}

// Discount is what so many people pay less.
func Discount(people int) int {
	if tariff.Group(people) {
		return 2
	}
	return 0
}
