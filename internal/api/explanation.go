package api

import (
	"net/netip"
	"time"

	"mdserver/internal/instance"
)

// Explanation is everything that is known of a guest, and why it is so.
type Explanation struct {
	Name         string              `json:"name"`
	Served       bool                `json:"served"`            // it is a guest
	Refusal      *Refusal            `json:"refusal,omitempty"` // why the domain as it is defined now is not served
	Facts        []Fact              `json:"facts"`
	Addresses    []ExplainedAddress  `json:"addresses"`
	Template     TemplateChoice      `json:"template"`
	Requests     Requests            `json:"requests"`
	DHCP         *DHCP               `json:"dhcp,omitempty"` // the last message from or to its DHCP client
	Since        time.Time           `json:"since"`          // when the server began to note requests and DHCP
	PortSecurity []GuestPortSecurity `json:"port_security"`  // on each of its networks
	Missing      []string            `json:"missing"`
	Problems     []Missing           `json:"problems"` // the same as Missing, with codes
}

// Missing is something that a guest lacks, or will lack at its next start.
type Missing struct {
	Code string `json:"code"` // its kind, for programs
	Text string `json:"text"`
}

// Fact is one thing that is known of a guest.
type Fact struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// ExplainedAddress is one of a guest's addresses and why the guest has it.
type ExplainedAddress struct {
	Address netip.Addr      `json:"address"`
	Network string          `json:"network"`
	Why     string          `json:"why"`
	Passed  []PassedAddress `json:"passed,omitempty"` // addresses before it that were or are another's
	More    int             `json:"more,omitempty"`   // passed addresses beyond these
}

// PassedAddress is an address that the guest would have got, were it free.
type PassedAddress struct {
	Address netip.Addr `json:"address"`
	Reason  string     `json:"reason"`
}

// TemplateChoice is which template serves a guest, and why.
type TemplateChoice struct {
	Serves     string              `json:"serves"` // a path, several with commas, or "(built-in)"; empty for none
	Candidates []TemplateCandidate `json:"candidates"`
	Error      string              `json:"error,omitempty"` // why the guest gets none
}

// TemplateCandidate is one place where a guest's template is looked for. The
// first one that is there serves.
type TemplateCandidate struct {
	Rule  string `json:"rule"`
	Path  string `json:"path"`
	There bool   `json:"there"`
	Wrong string `json:"wrong,omitempty"` // why it cannot be used, though it is there
}

// Requests are what one guest asked for.
type Requests struct {
	Kinds  []RequestKind `json:"kinds"`  // only those that were asked for, in the order of a boot
	Recent []Request     `json:"recent"` // the oldest first
}

// RequestKind counts the requests of one kind.
type RequestKind struct {
	Name   string    `json:"kind"`
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last"`
	Status int       `json:"last_status"`
}

// Request is one request of a guest.
type Request struct {
	At     time.Time  `json:"at"`
	Client netip.Addr `json:"client"`
	Method string     `json:"method"`
	Path   string     `json:"path"`
	Status int        `json:"status"`
}

// DHCP is the last message between a guest and the DHCP server.
type DHCP struct {
	Message string    `json:"message"` // DHCPDISCOVER, DHCPACK, …
	At      time.Time `json:"at"`

	// Declined is when the client last sent a DHCPDECLINE.
	Declined *time.Time `json:"declined,omitempty"`
}

// GuestPortSecurity is what a guest may send on one network, and why.
type GuestPortSecurity struct {
	Network string         `json:"network"`
	State   string         `json:"state"` // on, off or unknown
	Port    string         `json:"port,omitempty"`
	Why     string         `json:"why"`
	MACs    []instance.MAC `json:"macs,omitempty"`
	Sends   []netip.Prefix `json:"sends_from,omitempty"`
	Dropped Drops          `json:"dropped,omitempty"`
}
