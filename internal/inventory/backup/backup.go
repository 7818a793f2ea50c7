// Package backup reads and writes backups: all that the server keeps, in one
// file that can be checked, read by people and restored on another host.
//
// A backup is text, one JSON object a line:
//
//	{"format":"mdserver-backup","version":1,"created":…,"host":…,"mdserver":…,"guests":1,"resting":1,"notes":1}
//	{"guest":{…}}                         an instance.Instance, as in the database
//	{"resting":{…}}                       an instance.Resting
//	{"note":{"key":"imds_key","value":…}} a note of the server's, a key for instance
//	{"identity":"-----BEGIN …"}           the authority of identity documents, if there is one
//	{"sha256":"…"}                        of all lines before this one
//
// It holds passwords and keys: a process that can read it can act as the server.
package backup

import (
	"encoding/json"
	"errors"
	"time"

	"mdserver/internal/instance"
)

const (
	formatName    = "mdserver-backup"
	formatVersion = 1
)

var (
	// ErrForeign: it is no backup.
	ErrForeign = errors.New("it is not a backup of mdserver")
	// ErrNewer: a newer mdserver wrote it, in a format that this one does not know.
	ErrNewer = errors.New("it was written by a newer mdserver")
	// ErrDamaged: it is incomplete or was altered.
	ErrDamaged = errors.New("the backup is damaged")
)

// Header says what a backup is.
type Header struct {
	Format   string    `json:"format"`
	Version  int       `json:"version"` // of the format
	Created  time.Time `json:"created"`
	Host     string    `json:"host"`     // where it was made
	Mdserver string    `json:"mdserver"` // the version that made it
	Reason   Reason    `json:"reason,omitempty"`
	Guests   int       `json:"guests"`
	Resting  int       `json:"resting"` // addresses
	Notes    int       `json:"notes"`
}

// Reason is why a snapshot was made. Other backups have none.
type Reason string

// The reasons for snapshots.
const (
	Daily         Reason = "daily"
	BeforeImport  Reason = "before an import"
	BeforeRestore Reason = "before a restore" // the state that was replaced
	Restored      Reason = "restored"         // the state after a restore
)

// Backup is all that the server keeps.
type Backup struct {
	Header   Header
	Table    instance.Table
	Notes    map[string]string // of the database, by key
	Identity string            // the file of the identity authority, in PEM, or ""
}

// New makes a backup with its header.
func New(host, version string, table instance.Table, notes map[string]string, identity string) *Backup {
	return &Backup{
		Header: Header{
			Format: formatName, Version: formatVersion, Created: time.Now().UTC().Truncate(time.Second), Host: host, Mdserver: version,
			Guests: len(table.Instances), Resting: len(table.Resting), Notes: len(notes),
		},
		Table: table, Notes: notes, Identity: identity,
	}
}

// line is one line between the header and the checksum; one field is set.
type line struct {
	Guest    *instance.Instance `json:"guest,omitempty"`
	Resting  *instance.Resting  `json:"resting,omitempty"`
	Note     *note              `json:"note,omitempty"`
	Identity json.RawMessage    `json:"identity,omitempty"`
	SHA256   string             `json:"sha256,omitempty"`
}

type note struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}
