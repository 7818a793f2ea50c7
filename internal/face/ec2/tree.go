package ec2

import (
	"strconv"
	"strings"

	"mdserver/internal/metadata"
)

// entry is one name of the metadata tree: a leaf with a value, or a directory
// with entries of its own. What the guest's document lacks is not listed and
// not found, so that every listed name answers (cloud-init 22.4.2 gives up on
// the whole tree when one leaf of it fails).
type entry struct {
	name    string // as listed; a directory's ends with a slash
	aliases []string
	value   func(*metadata.Document) string
	dir     func(*metadata.Document) []entry
}

// metaData is the table of /{version}/meta-data/. No name may be both a leaf
// and a directory.
var metaData = []entry{
	{name: "instance-id", value: func(d *metadata.Document) string { return d.InstanceID }},
	{name: "hostname", value: func(d *metadata.Document) string { return d.Hostname }},
	{name: "local-hostname", value: func(d *metadata.Document) string { return d.Hostname }},
	{name: "local-ipv4", value: localIPv4},
	{name: "mac", value: func(d *metadata.Document) string { return d.MAC.String() }},
	{name: "network/", dir: network},
	{name: "public-keys/", dir: publicKeys},
}

func localIPv4(d *metadata.Document) string {
	if !d.LocalIPv4.IsValid() {
		return ""
	}
	return d.LocalIPv4.String()
}

// publicKeys lists keys as "0=name"; a client then asks for 0/openssh-key. As
// in the original a key is found by its name, too.
func publicKeys(d *metadata.Document) []entry {
	keys := make([]entry, 0, len(d.PublicKeys))
	for i, key := range d.PublicKeys {
		index := strconv.Itoa(i)
		keys = append(keys, entry{
			name:    index + "=" + key.Name,
			aliases: []string{index, key.Name},
			dir: func(*metadata.Document) []entry {
				return []entry{{name: "openssh-key", value: func(*metadata.Document) string { return key.Key }}}
			},
		})
	}
	return keys
}

func (e entry) present(d *metadata.Document) bool {
	if e.dir != nil {
		return len(e.dir(d)) > 0
	}
	return e.value(d) != ""
}

func names(entries []entry, d *metadata.Document) []string {
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.present(d) {
			list = append(list, e.name)
		}
	}
	return list
}

// find looks a name up among entries. An index wins over a key that happens
// to be named like one, so first aliases count before second ones.
func find(entries []entry, name string) (entry, bool) {
	for _, e := range entries {
		if strings.TrimSuffix(e.name, "/") == name {
			return e, true
		}
	}
	for nth := range 2 {
		for _, e := range entries {
			if nth < len(e.aliases) && e.aliases[nth] == name {
				return e, true
			}
		}
	}
	return entry{}, false
}

// resolve walks path, relative to meta-data/, and returns the text that
// answers it. A directory answers with and without its trailing slash, a leaf
// only without.
func resolve(d *metadata.Document, path string) (string, bool) {
	entries := metaData
	for path != "" {
		name, rest, slash := strings.Cut(path, "/")
		e, ok := find(entries, name)
		switch {
		case !ok || !e.present(d):
			return "", false
		case e.dir == nil:
			return e.value(d), !slash
		}
		entries, path = e.dir(d), rest
	}
	return strings.Join(names(entries, d), "\n"), true
}
