// Package fdtest finds descriptors that are left open.
package fdtest

import (
	"os"
	"runtime/debug"
	"testing"
)

// times is how often a function is called, so that what it leaves open stands out from
// what the rest of the process opens meanwhile.
const times = 20

// NoneLeft fails a test if a function leaves a descriptor open each time it is called.
func NoneLeft(t testing.TB, do func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it closes files that are no longer used
	before := count(t)
	for range times {
		do()
	}
	if after := count(t); after >= before+times {
		t.Errorf("%d descriptors are open, were %d", after, before)
	}
}

func count(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
