package weighted

import (
	"slices"
	"testing"
)

func TestCacheIsBounded(t *testing.T) {
	const entries, bytes = 4, 100
	tests := []struct {
		name    string
		weights []int64 // of the keys 0, 1, …
		want    []int
	}{
		{"few", []int64{10, 10, 10}, []int{0, 1, 2}},
		{"too many", []int64{10, 10, 10, 10, 10}, []int{1, 2, 3, 4}},
		{"too heavy", []int64{60, 30, 30}, []int{1, 2}},
		{"one heavy entry displaces the others", []int64{10, 10, 95}, []int{2}},
		{"one that is too heavy by itself", []int64{10, 1000}, []int{1}},
		{"which the next one displaces", []int64{1000, 10}, []int{1}},
		{"exactly full", []int64{50, 50}, []int{0, 1}},
	}
	for _, tt := range tests {
		c := New[int, string](entries, bytes)
		for key, weight := range tt.weights {
			c.Add(key, "x", weight)
		}
		if got := c.entries.Keys(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: kept %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTheOneUsedLastStays(t *testing.T) {
	c := New[string, int](8, 100)
	c.Add("a", 1, 40)
	c.Add("b", 2, 40)
	if v, ok := c.Get("a"); v != 1 || !ok {
		t.Errorf("a is %d, %t", v, ok)
	}
	c.Add("c", 3, 40)
	if _, ok := c.Get("b"); ok {
		t.Error("b is still there")
	}
	if _, ok := c.Get("a"); !ok {
		t.Error("a is gone")
	}
}

func TestAReplacedValueWeighsNoMore(t *testing.T) {
	c := New[string, int](8, 100)
	for i := range 1000 {
		c.Add("a", i, 60)
	}
	c.Add("b", 1, 40)
	if _, ok := c.Get("a"); !ok || c.weight != 100 {
		t.Errorf("a is there: %t; all weigh %d", ok, c.weight)
	}
}
