package ec2

import (
	"strings"

	"mdserver/internal/identity"
	"mdserver/internal/metadata"
)

// subject is what a request is about: the guest, and what the path has named
// of it so far.
type subject struct {
	metadata.Document
	nic  *metadata.Interface
	key  *metadata.PublicKey
	item string // the value of a tag, or of a block device

	identity string // the identity document, where a path asks for it
	signed   identity.Signed
}

// entry is one name of the tree: a leaf with a value, a directory with
// entries of its own, or a directory whose names depend on the guest. What
// the guest lacks is not listed and not found, so that every listed name
// answers (cloud-init 22.4.2 gives up on the whole tree when one leaf of it
// fails). No name may be both a leaf and a directory.
//
// The tree is made of tables that never change, so that a request makes
// nothing but its answer.
type entry struct {
	name    string                // without a slash
	value   func(*subject) string // of a leaf; "" is absent
	entries []entry
	each    *each
}

// each is a directory with one entry for each thing of a kind.
type each struct {
	// names lists the things as a client sees them.
	names func(*subject) []string
	// enter notes in the subject which thing the path names.
	enter func(*subject, string) bool
	// value is what a thing is, if it is a leaf; one that is there may be
	// empty. Otherwise it is a directory of entries.
	value   func(*subject) string
	entries []entry
}

func (e *entry) isLeaf() bool { return e.value != nil }

func (e *entry) present(s *subject) bool {
	switch {
	case e.isLeaf():
		return e.value(s) != ""
	case e.each != nil:
		return len(e.each.names(s)) > 0
	}
	for i := range e.entries {
		if e.entries[i].present(s) {
			return true
		}
	}
	return false
}

// names lists what is there, directories with a slash at their end.
func names(entries []entry, s *subject) []string {
	list := make([]string, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		switch {
		case !e.present(s):
		case e.isLeaf():
			list = append(list, e.name)
		default:
			list = append(list, e.name+"/")
		}
	}
	return list
}

func find(entries []entry, name string) *entry {
	for i := range entries {
		if entries[i].name == name {
			return &entries[i]
		}
	}
	return nil
}

// resolve walks path, relative to entries and without a slash at its end, and
// returns the text that answers it.
func resolve(s *subject, entries []entry, path string) (string, bool) {
	for path != "" {
		name, rest, deeper := strings.Cut(path, "/")
		e := find(entries, name)
		switch {
		case e == nil:
			return "", false
		case e.isLeaf():
			value := e.value(s)
			return value, !deeper && value != ""
		case e.each != nil:
			return e.each.resolve(s, rest)
		}
		entries, path = e.entries, rest
	}
	return listing(names(entries, s))
}

func (each *each) resolve(s *subject, path string) (string, bool) {
	if path == "" {
		return listing(each.names(s))
	}
	name, rest, deeper := strings.Cut(path, "/")
	switch {
	case !each.enter(s, name):
		return "", false
	case each.value != nil:
		return each.value(s), !deeper
	}
	return resolve(s, each.entries, rest)
}

// listing is the text of a directory, which is there if anything is in it.
func listing(names []string) (string, bool) {
	return strings.Join(names, "\n"), len(names) > 0
}
