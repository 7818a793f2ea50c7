// Package legacy reads and writes the JSON database of the Python mdserver
// (db_file), so that a host can move to this one and back.
//
// There are two forms: a plain list of entries, which the releases up to 0.6.7
// write and every version reads, and {"metadata": {…}, "entries": […]}, which only
// its development version after 0.6.7 knows. An entry has these keys; all except
// the name and UUID may be missing or null: location, domain_name, domain_uuid,
// domain_metadata (text to text), mds_mac, mds_ipv4, mds_ipv6, first_seen and
// last_update (seconds since 1970).
package legacy

import (
	"fmt"
	"time"
)

// Form is one of the two forms of the database.
type Form string

// The forms, by the names that commands have for them.
const (
	List   Form = "legacy-list"
	Object Form = "legacy-object"
)

// Meta is the Python mdserver's description of its database.
type Meta struct {
	Initialised time.Time
	Updated     time.Time
	Locations   map[string]Location // by [service] location
}

// Location is one server that shares the database.
type Location struct {
	Hostname  string
	Version   string
	FirstSeen time.Time
	LastSeen  time.Time
}

// Skipped is something in the file that was not taken over: a whole entry or
// one of its fields.
type Skipped struct {
	Entry  int    // index in the list, from 0
	Name   string // domain name, as far as it is known
	Field  string // key at fault, or empty for the entry itself
	Reason string
	Whole  bool // the entry is not there at all
}

func (s Skipped) String() string {
	what := "entry"
	if !s.Whole {
		what = "field of entry"
	}
	where := ""
	if s.Field != "" {
		where = s.Field + ": "
	}
	return fmt.Sprintf("%s %d (domain %q) skipped: %s%s", what, s.Entry, s.Name, where, s.Reason)
}
