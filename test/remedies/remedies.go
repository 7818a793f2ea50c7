// Package remedies is the table of all that doctor can find wrong, with the
// commands that it names, and the test in which each of them is made for real,
// has its commands run as they are printed, and is looked at again.
//
// A test of this package holds the table against the code of package doctor,
// and the tests that the table names hold themselves against it.
package remedies

import (
	"fmt"
	"regexp"
	"strings"
)

// Row is one finding with one remedy. Texts are formats, as the code has them.
type Row struct {
	Finding  string
	Commands []string // in their order; none if a person has to decide or to edit
	Test     string   // the test that runs them
	Why      string   // why no test can, if there is none
}

// Find returns the row of a finding as doctor reports it.
func Find(text string, commands []string) (Row, error) {
	var found Row
	for _, row := range Table {
		// "frames from %s …" is also true of "frames from the guest %q …", which says more.
		if row.is(text, commands) && len(row.Finding) > len(found.Finding) {
			found = row
		}
	}
	if found.Finding == "" {
		return Row{}, fmt.Errorf("the table of remedies has no row for %q with the commands %q", text, commands)
	}
	return found, nil
}

func (r Row) is(text string, commands []string) bool {
	if !matches(r.Finding, text) || len(r.Commands) != len(commands) {
		return false
	}
	for i, command := range commands {
		if !matches(r.Commands[i], command) {
			return false
		}
	}
	return true
}

// Key tells rows apart.
func (r Row) Key() string { return r.Finding + "\n" + strings.Join(r.Commands, "\n") }

var verb = regexp.MustCompile(`%[svdq]`)

// matches reports whether a text was made by a format. A command of mdserver or
// virsh may have an option that names the configuration or libvirt's address.
func matches(format, text string) bool {
	format, literal := strings.CutPrefix(format, "virsh ")
	head := ""
	if literal {
		head = `virsh (--connect \S+ )?`
	}
	parts := verb.Split(format, -1)
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(strings.ReplaceAll(part, "%%", "%"))
	}
	return regexp.MustCompile(`(?s)^` + head + strings.Join(parts, ".*") + `( --config \S+)?$`).MatchString(text)
}
