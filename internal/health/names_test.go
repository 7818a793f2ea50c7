package health

import "testing"

// TestSomeOf checks that SomeOf returns at most five names and does not change the caller's
// slice.
func TestSomeOf(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "b", "c", "d", "e"}, "a, b, c, d, e"},
		{[]string{"a", "b", "c", "d", "e", "f"}, "a, b, c, d, e, …"},
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "a, b, c, d, e, …"},
	} {
		last := ""
		if len(tt.names) > 0 {
			last = tt.names[len(tt.names)-1]
		}
		if got := SomeOf(tt.names); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.names, got, tt.want)
		}
		if len(tt.names) > 0 && tt.names[len(tt.names)-1] != last {
			t.Errorf("the caller's names are %q now", tt.names)
		}
	}
}
