package instance

// Home is the host that has a guest, among several hosts with one inventory. It is
// zero if there is one host only, and for a guest that no host has.
type Home struct {
	Host   string `json:"host,omitempty"`    // the host's name, for people
	HostID string `json:"host_id,omitempty"` // the ID of the host
	// Epoch grows by one each time the guest gets another host. Of two records of a
	// guest, the one with the higher epoch is right.
	Epoch int64    `json:"epoch,omitempty"`
	Run   RunState `json:"run,omitempty"`
	// FromHost and FromID are the host that runs the guest until this one does: it is
	// on its way. If it never arrives, that host has it again.
	FromHost string `json:"from_host,omitempty"`
	FromID   string `json:"from_host_id,omitempty"`
}

// RunsOn reports whether the guest runs on a host, or is about to. One that is on its
// way to another host runs until it has arrived there.
func (h Home) RunsOn(hostID string) bool {
	if h.FromID != "" {
		return h.FromID == hostID
	}
	return h.HostID == hostID && h.Run != NotRunning
}

// RunState is whether a guest runs on its host, as far as that host knows.
type RunState string

// The states of a guest on its host.
const (
	NotRunning RunState = ""
	Starting   RunState = "starting" // its hook was called
	Running    RunState = "running"  // libvirt runs it
)

// ServedBy reports whether a host serves the guest: it has the guest, or sends it to
// the host that has it, or no host has it. hostID is empty if there is one host only.
func (h Home) ServedBy(hostID string) bool {
	return hostID == "" || h.HostID == "" || h.HostID == hostID || h.FromID == hostID
}
