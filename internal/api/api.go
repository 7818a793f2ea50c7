// Package api holds the documents that go over the control socket of a running
// mdserver, as JSON. It is a vocabulary without logic: the server's parts report
// in it, package admin sends it, and package client gives it to commands.
//
//	POST   /instance-upload          domain XML, answers as the Python mdserver does; operation=O of the hook
//	POST   /v1/stopped?reason=R      domain XML of a domain that has stopped here, no answer; R of the hook
//	POST   /v1/instances             domain XML, answers Registered
//	GET    /v1/instances             []Guest, sorted by name
//	GET    /v1/refusals              []Refusal
//	GET    /v1/hosts                 []Host
//	GET    /v1/host?ref=H            RunsOn; H is a host's name or ID, without it the host that is asked
//	DELETE /v1/host?ref=H&force=B    Forgotten
//	POST   /v1/host/drain?ref=H&undo=B  RunsOn; H as for GET
//	GET    /v1/instance?ref=R        instance.Instance
//	DELETE /v1/instance?ref=R        the released instance.Instance
//	GET    /v1/explain?ref=R         Explanation
//	POST   /v1/reprovision?ref=R     instance.Instance, with a new instance-id
//	GET    /v1/user-data?ref=R       what the guest would get, byte for byte
//	GET    /v1/user-data?ref=R&boot=N  what it got in a boot: a number, 0 the last, -1 the one before
//	GET    /v1/boots?ref=R           []Boot, the oldest first
//	GET    /v1/progress              Progress; ref=R (repeated), since=REVISION, wait=SECONDS, ssh=B
//	GET    /v1/password?ref=R        what the guest posted as its password
//	GET    /v1/export?format=F       the inventory in one of ExportFormats
//	POST   /v1/import?replace=B      an export in FormatJSON, answers Imported
//	GET    /v1/backup                all that the server keeps, see package backup
//	GET    /v1/status                Status
//	GET    /v1/identity              the certificate of identity documents, in PEM
//	GET    /v1/metrics               the metrics, in the text format of Prometheus
//	GET    /v1/ssh                   []SSHGuest; with ?ref=R one guest, with ?host=H the one with this name or address, if any
//	GET    /v1/ssh/ca                SSHAuthority, which signs host certificates
//	POST   /v1/ssh/ca                has another key sign from now on; SSHAuthority
//	POST   /v1/reload                Reloaded
//	GET    /v1/debug?dump=D          goroutines, heap or allocs
//	GET    /v1/usage                 Usage
//
// A ref is a guest's name, UUID, instance-id, MAC, address or host name.
// Refusals of requests are an Error with a fitting HTTP status.
package api

import (
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// HookAgent is the User-Agent of mdserver's libvirt hook.
const HookAgent = "mdserver-hook"

// FormatJSON is the format of /v1/export that loses nothing, see package document.
const FormatJSON = "json"

// ExportFormats are the formats of /v1/export: the Python mdserver's database in
// the form that was imported, as a list, and as an object; and FormatJSON.
var ExportFormats = []string{"legacy", "legacy-list", "legacy-object", FormatJSON}

// Error is the answer to a request that was refused.
type Error struct {
	Error string    `json:"error"`
	Code  ErrorCode `json:"code"`
}

// Guest is a guest as it is listed.
type Guest struct {
	instance.Instance
	State State      `json:"state"`
	Boot  *BootBrief `json:"boot,omitempty"` // its last
}

// State is the state of a guest's domain.
type State string

// The states of a guest's domain.
const (
	Running State = "running"
	Off     State = "off"
	Away    State = "away"    // migrated, or saved to a file
	Gone    State = "gone"    // undefined; the guest is released later
	Unknown State = "unknown" // libvirt cannot be reached, or never had the domain
)

// Registered is the answer to a registration.
type Registered struct {
	Instance instance.Instance `json:"instance"`
	Created  bool              `json:"created"`
	Replaced string            `json:"replaced,omitempty"` // UUID of the guest whose name and address it took over
	Warning  string            `json:"warning,omitempty"`
}

// Reloaded is the result of reading the configuration again.
type Reloaded struct {
	File     string   `json:"file"`
	Changed  []string `json:"changed"`       // keys with a new value in effect
	Restart  []string `json:"needs_restart"` // keys whose new value needs a restart
	Warnings []string `json:"warnings,omitempty"`
}

// Usage is what a running server uses.
type Usage struct {
	HeapBytes   uint64 `json:"heap_bytes"` // in use after a garbage collection
	Goroutines  int    `json:"goroutines"`
	Descriptors int    `json:"descriptors"` // open files and sockets
}

// Refusal is a domain that is not served as it is defined now. There may be a
// guest with the same UUID, which is served as its definition was before.
type Refusal struct {
	Name   string         `json:"name"`
	UUID   uuid.UUID      `json:"uuid"`
	MACs   []instance.MAC `json:"macs,omitempty"`
	State  RefusalState   `json:"state"`
	Reason string         `json:"reason"`
	Advice []string       `json:"advice,omitempty"` // alternative ways to have it served
	Source string         `json:"source"`           // who reported the domain last, see instance.ByHook
	Since  time.Time      `json:"since"`            // of this reason
	Last   time.Time      `json:"last"`
}

// RefusalState is the kind of reason why a domain is no guest.
type RefusalState string

// The states of a domain that is no guest.
const (
	Refused  RefusalState = "refused"  // it would be a guest without the fault
	Unserved RefusalState = "unserved" // it is on no network that is served
)
