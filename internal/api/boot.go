package api

import "time"

// Boot is one boot of a guest, from its start or its first sign of life to its
// stop or reboot.
type Boot struct {
	Number  int        `json:"number"` // counted from 1 for each guest
	Began   time.Time  `json:"began"`
	Ended   *time.Time `json:"ended,omitempty"`
	Verdict Verdict    `json:"verdict"`
	Reached Reached    `json:"reached"`
	Last    time.Time  `json:"last_sign,omitzero"` // of life
	// Userdata and Vendordata are the SHA-256 sums, in hexadecimal, of what the
	// guest was given last in this boot.
	Userdata   string `json:"user_data,omitempty"`
	Vendordata string `json:"vendor_data,omitempty"`
	// Template is what the user-data was made from: a path, several with commas,
	// or "(built-in)".
	Template string      `json:"template,omitempty"`
	Entries  []BootEntry `json:"entries"`           // in the order of their beginning
	Dropped  int         `json:"dropped,omitempty"` // entries that there was no room for
	Revision uint64      `json:"revision"`          // of the record when the boot changed last
}

// BootBrief is a boot without its entries.
type BootBrief struct {
	Number  int        `json:"number"`
	Began   time.Time  `json:"began"`
	Ended   *time.Time `json:"ended,omitempty"`
	Verdict Verdict    `json:"verdict"`
	Reached Reached    `json:"reached"`
}

// Brief returns the boot without its entries.
func (b Boot) Brief() BootBrief { return BootBrief{b.Number, b.Began, b.Ended, b.Verdict, b.Reached} }

// BootEntry is one thing that happened in a boot. All texts are safe to print.
type BootEntry struct {
	At     time.Time `json:"at"` // when it began
	Kind   EntryKind `json:"kind"`
	Source Source    `json:"source"`
	// Name is, of a stage, cloud-init's name for it, such as modules-final or
	// modules-final/config-runcmd; of a request, its kind; of a DHCP message, its
	// type; of a status, the module with the first error.
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail,omitempty"` // one line
	Status int    `json:"status,omitempty"` // HTTP's, of a request
	// Result is ResultSuccess, ResultWarn or ResultFail. A stage that has not ended has
	// none. A status has ResultWarn for recoverable errors. A render has one if it failed.
	Result  string  `json:"result,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // that it took
	Count   uint64  `json:"count,omitempty"`   // of requests of this kind with this status, if several
	// Template is the line of a template that made a render fail.
	Template *TemplateLine `json:"template,omitempty"`
	Revision uint64        `json:"revision"` // of the record when the entry changed last
}

// EntryKind is the kind of a BootEntry.
type EntryKind string

// The kinds of entries.
const (
	EntryStarted   EntryKind = "started"
	EntryRebooted  EntryKind = "rebooted"
	EntryStopped   EntryKind = "stopped"
	EntryCrashed   EntryKind = "crashed"
	EntrySuspended EntryKind = "suspended" // saved to a file, or migrated away
	EntryResumed   EntryKind = "resumed"   // from a file or snapshot, or migrated to this host
	EntryDHCP      EntryKind = "dhcp"
	EntryRequest   EntryKind = "request"
	EntryRender    EntryKind = "render"
	EntryStage     EntryKind = "stage" // of cloud-init, or a module in one
	EntryPhoneHome EntryKind = "phone-home"
	EntryHostKeys  EntryKind = "host-keys"
	EntryStatus    EntryKind = "status" // cloud-init's result, after its last stage
	EntrySSH       EntryKind = "ssh"    // its port was found to answer
)

// Source is where an entry comes from.
type Source string

// The sources of entries.
const (
	FromLibvirt  Source = "libvirt"
	FromHook     Source = "hook"
	FromDnsmasq  Source = "dnsmasq"
	FromMetadata Source = "metadata" // the guest's requests
	FromGuest    Source = "guest"    // its reports
	FromServer   Source = "server"
)

// Results, as cloud-init names those of its stages.
const (
	ResultSuccess = "SUCCESS"
	ResultWarn    = "WARN"
	ResultFail    = "FAIL"
)

// Verdict is how a boot went, or goes.
type Verdict struct {
	State    BootState     `json:"state"`
	Since    time.Time     `json:"since,omitzero"`
	Phase    string        `json:"phase,omitempty"`  // how far it came: started, lease, metadata, user-data, or a stage of cloud-init
	Reason   string        `json:"reason,omitempty"` // one line
	Module   string        `json:"module,omitempty"` // of cloud-init, such as runcmd
	Error    string        `json:"error,omitempty"`
	Template *TemplateLine `json:"template,omitempty"` // that is to blame
}

// BootState is the state of a boot.
type BootState string

// The states of a boot.
const (
	Booting     BootState = "booting"
	Ready       BootState = "ready"
	Degraded    BootState = "degraded"
	Failed      BootState = "failed"
	Stuck       BootState = "stuck" // there was no sign of progress for stuck_after
	BootOff     BootState = "off"
	BootUnknown BootState = "unknown" // no boot is on record
)

// TemplateLine is a line of a template.
type TemplateLine struct {
	Name string `json:"name"`
	Line int    `json:"line"` // counted from 1
}

// Reached tells when a boot came how far. What it did not reach is nil.
type Reached struct {
	Lease    *time.Time `json:"lease,omitempty"`     // DHCP gave it an address
	Metadata *time.Time `json:"metadata,omitempty"`  // it read its metadata
	Userdata *time.Time `json:"user_data,omitempty"` // it fetched its user-data
	SSH      *time.Time `json:"ssh,omitempty"`       // its ssh port answered
	Ready    *time.Time `json:"ready,omitempty"`     // cloud-init finished without an error
}

// BootPhase is a phase of a boot whose duration is measured.
type BootPhase string

// The phases of a boot. Each begins where the one before it ends.
const (
	LeasePhase    BootPhase = "lease"    // from the start until DHCP gives the guest an address
	MetadataPhase BootPhase = "metadata" // until the guest has read its metadata
	ReadyPhase    BootPhase = "ready"    // until cloud-init reports that it has finished without an error
	WholeBoot     BootPhase = "boot"     // from the start to the end of ReadyPhase
)

// BootPhases lists all phases.
func BootPhases() []BootPhase { return []BootPhase{LeasePhase, MetadataPhase, ReadyPhase, WholeBoot} }

// Progress is what guests do, as of one revision of the record.
type Progress struct {
	Revision uint64          `json:"revision"`
	Guests   []GuestProgress `json:"guests"`
}

// GuestProgress is what one guest does.
type GuestProgress struct {
	Ref   string `json:"ref,omitempty"`   // that was asked for
	Guest *Guest `json:"guest,omitempty"` // nil if there is none
	// Boot is its last boot, with the entries that have changed since the revision
	// that was asked for.
	Boot *Boot `json:"boot,omitempty"`
}

// ProgressQuery asks for the progress of guests.
type ProgressQuery struct {
	Refs  []string      // whose; empty: all guests that have changed since
	Since uint64        // revision; 0: answer at once
	Wait  time.Duration // how long to wait for a change
	SSH   bool          // also try the ssh ports of the guests meanwhile
}
