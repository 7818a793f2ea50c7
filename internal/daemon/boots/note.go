package boots

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/timeline"
)

// NoteHappening notes an event of libvirt.
func (h *History) NoteHappening(id uuid.UUID, what watch.Happening) {
	if _, known := h.guests().ByUUID(id); !known {
		return
	}
	switch what.Kind {
	case api.EntryStarted:
		h.Record.Start(id, what.At, api.FromLibvirt)
	case api.EntryRebooted:
		h.Record.Reboot(id, what.At)
	case api.EntryStopped, api.EntryCrashed:
		h.Record.Stop(id, what.At, what.Kind, what.Detail)
	default:
		h.Record.Note(id, api.BootEntry{At: what.At, Kind: what.Kind, Source: api.FromLibvirt, Detail: what.Detail})
	}
}

// NoteRegistered notes that a guest was registered: libvirt's hook does so when the
// guest starts. One that comes from another host runs already.
func (h *History) NoteRegistered(guest *instance.Instance, source string) {
	if source == instance.ByHook && guest.FromID == "" {
		h.Record.Start(guest.UUID, time.Now(), api.FromHook)
	}
}

// NoteDHCP remembers that a guest's DHCP client was heard, and reports whether the MAC
// is a guest's. Others are not remembered: made-up MACs would take the guests' places.
func (h *History) NoteDHCP(network string, mac instance.MAC, message string) (known bool) {
	heard := timeline.DHCP{Message: message, At: time.Now()}
	client := timeline.DHCPClient{Network: network, MAC: mac}
	guests := h.guests().ByMAC(mac)
	for _, guest := range guests {
		if isOn(guest, client) {
			h.Record.Heard(guest.UUID, client, heard)
		}
	}
	return len(guests) > 0
}

// isOn reports whether a guest has a DHCP client on its network.
func isOn(guest *instance.Instance, client timeline.DHCPClient) bool {
	return slices.ContainsFunc(guest.Attachments(), func(a instance.Attachment) bool {
		return a.Network == client.Network && a.MAC == client.MAC
	})
}

// Forget removes the record of guests that are released.
func (h *History) Forget(events []instance.Event) {
	for _, e := range events {
		if e.Old != nil && e.New == nil {
			h.forgetGuest(e.Old)
		}
	}
}

func (h *History) forgetGuest(guest *instance.Instance) {
	h.Record.Forget(guest.UUID)
	for _, place := range guest.Attachments() {
		h.Record.DHCP.Forget(timeline.DHCPClient{Network: place.Network, MAC: place.MAC})
	}
}
