package remedies

import (
	"sync"
	"testing"

	"mdserver/internal/doctor/finding"
)

// Exercised notes which rows a test has run, and holds the test against the
// table at its end.
type Exercised struct {
	mu   sync.Mutex
	rows map[string]bool
}

// Covers promises that a test runs all rows of the table that name it.
func Covers(t *testing.T) *Exercised {
	e := &Exercised{rows: map[string]bool{}}
	t.Cleanup(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, row := range Table {
			if row.Test == t.Name() && !e.rows[row.Key()] && !t.Failed() {
				t.Errorf("the table says that this test runs %q for %q, but it does not", row.Commands, row.Finding)
			}
		}
	})
	return e
}

// Run types the commands of a finding as they are printed. A finding without
// commands has advice.
func (e *Exercised) Run(t *testing.T, f finding.Finding, run func(command string)) {
	t.Helper()
	row, err := Find(f.Text, f.Remedy)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Remedy) == 0 && len(f.Advice) == 0 {
		t.Errorf("%q has neither a remedy nor advice", f.Text)
	}
	e.mu.Lock()
	e.rows[row.Key()] = true
	e.mu.Unlock()
	for _, command := range f.Remedy {
		run(command)
	}
}
