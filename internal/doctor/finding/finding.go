// Package finding has the outcome of a check: what is wrong, and the commands
// that repair it on a host.
package finding

import "fmt"

// State is the outcome of one finding.
type State string

// The states, from good to bad; Unknown is what could not be checked.
const (
	OK      State = "ok"
	Unknown State = "unknown"
	Warning State = "warning"
	Wrong   State = "wrong"
)

// NotChecked is the code of all findings in the state Unknown.
const NotChecked = "not_checked"

// Finding is one thing that a check has found.
type Finding struct {
	Check  string   `json:"check"`
	Looked string   `json:"looked_at"`
	State  State    `json:"state"`
	Code   string   `json:"code,omitempty"` // the kind of finding, for programs; empty for OK
	Text   string   `json:"finding"`
	Advice []string `json:"advice,omitempty"` // what to decide or to edit before that
	Remedy []string `json:"remedy,omitempty"` // commands to type, in this order
}

// Good is a finding that there is no problem.
func Good(format string, args ...any) Finding {
	return Finding{State: OK, Text: fmt.Sprintf(format, args...)}
}

// Unchecked is a finding of what could not be checked.
func Unchecked(format string, args ...any) Finding {
	return Finding{State: Unknown, Code: NotChecked, Text: fmt.Sprintf(format, args...)}
}

// Warn is a finding of something that works, and should be changed.
func Warn(code, format string, args ...any) Finding {
	return Finding{State: Warning, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Fail is a finding of something that does not work.
func Fail(code, format string, args ...any) Finding {
	return Finding{State: Wrong, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Mend adds the commands that repair the problem.
func (f Finding) Mend(commands ...string) Finding {
	f.Remedy = append(f.Remedy, commands...)
	return f
}

// Advise adds plain instructions: what a person has to decide or to edit.
func (f Finding) Advise(format string, args ...any) Finding {
	f.Advice = append(f.Advice, fmt.Sprintf(format, args...))
	return f
}

// Unless returns findings, or the good one if there are none.
func Unless(findings []Finding, good Finding) []Finding {
	if len(findings) == 0 {
		return []Finding{good}
	}
	return findings
}
