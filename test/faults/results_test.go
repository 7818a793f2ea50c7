//go:build e2e

package faults

import (
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"
)

// row is the outcome of one fault.
type row struct {
	fault           string
	answers         int // changes that were answered
	lost, duplicate int
	recovery        time.Duration
	said            string
}

// results gathers the outcome of all tests; it is printed at the end.
var results table

type table struct {
	mu   sync.Mutex
	rows []row
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

func (t *table) print() {
	if len(t.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tANSWERS\tLOST\tDUPLICATE\tRECOVERED AFTER\tSAID")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", r.fault, r.answers, r.lost, r.duplicate, r.recovery.Round(time.Millisecond), r.said)
	}
	_ = w.Flush()
}
