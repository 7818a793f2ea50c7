package main

import (
	"regexp"
	"testing"
	"time"
)

// Package tariff has one boundary in each of its three functions. Its own tests know the
// first, and those of package shop, which calls it, the two others.
func TestTestsThatCount(t *testing.T) {
	packages, err := list(t.Context(), []string{"./testdata/tariff"})
	if err != nil {
		t.Fatal(err)
	}
	shop, err := list(t.Context(), []string{"./testdata/shop"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		others []pkg
		pick   string
		want   result
	}{
		{"its own", nil, "", result{noticed: 1, unreached: 2}},
		{"those of another package too", shop, "", result{noticed: 3}},
		{"some of those of another package", shop, "Price", result{noticed: 2, unreached: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := options{time: time.Hour, workers: 2, only: regexp.MustCompile("move the boundary"), others: test.others, pick: test.pick}
			got, err := try(t.Context(), opts, packages[0])
			if err != nil {
				t.Fatal(err)
			}
			if test.want.name = packages[0].ImportPath; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
