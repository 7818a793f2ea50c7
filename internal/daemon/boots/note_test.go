package boots

import (
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/timeline"
)

// TestNoteHappening checks that each event of libvirt becomes an entry of the boot that it
// belongs to, with its own time.
func TestNoteHappening(t *testing.T) {
	at := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		kind   api.EntryKind
		detail string
		want   string // detail of the entry
		boot   int    // number of the boot that has it
		ended  bool
	}{
		{api.EntryStarted, "booted", "", 2, false},
		{api.EntryRebooted, "reset", "", 2, false},
		{api.EntryStopped, "shut down", "shut down", 1, true},
		{api.EntryCrashed, "it crashed", "it crashed", 1, true},
		{api.EntrySuspended, "paused", "paused", 1, false},
		{api.EntryResumed, "unpaused", "unpaused", 1, false},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			h := newHouse(t)
			h.Record.Start(h.web.UUID, at.Add(-time.Hour), api.FromHook)
			h.Record.Note(h.web.UUID, api.BootEntry{At: at.Add(-time.Minute), Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultSuccess})
			h.NoteHappening(h.web.UUID, watch.Happening{At: at, Kind: tt.kind, Detail: tt.detail})
			boot := h.Present(h.web)
			e := boot.Entries[len(boot.Entries)-1]
			if e.Kind != tt.kind || e.Source != api.FromLibvirt || e.Detail != tt.want || !e.At.Equal(at) {
				t.Errorf("the entry is %+v, want it at %v with %q", e, at, tt.want)
			}
			if boot.Number != tt.boot || (boot.Ended != nil) != tt.ended {
				t.Errorf("it is boot %d, and ended %v", boot.Number, boot.Ended)
			}
		})
	}
}

// TestRegistrationBySource checks that a start is known to come from libvirt's hook.
func TestRegistrationBySource(t *testing.T) {
	h := newHouse(t)
	h.NoteRegistered(h.web, instance.ByHook)
	if e := h.Present(h.web).Entries[0]; e.Kind != api.EntryStarted || e.Source != api.FromHook {
		t.Errorf("the entry is %+v", e)
	}
}

// twice is web with a second interface, on another network.
func twice(h house) *instance.Instance {
	guest := *h.web
	guest.Further = []instance.Attachment{{Network: "lan", MAC: instance.MAC{2, 0, 0, 0, 0, 2}}}
	return &guest
}

// TestIsOn checks that a DHCP client is taken for the guest's on its own network only.
func TestIsOn(t *testing.T) {
	guest := twice(newHouse(t))
	for _, tt := range []struct {
		name    string
		network string
		mac     instance.MAC
		want    bool
	}{
		{"the first interface", "mds", guest.MAC, true},
		{"a further one", "lan", guest.Further[0].MAC, true},
		{"the first one on the other network", "lan", guest.MAC, false},
		{"the further one on the first network", "mds", guest.Further[0].MAC, false},
		{"another guest's", "mds", instance.MAC{2, 9}, false},
	} {
		if got := isOn(guest, timeline.DHCPClient{Network: tt.network, MAC: tt.mac}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestNoteDHCP checks that what a DHCP client said last is known, and when.
func TestNoteDHCP(t *testing.T) {
	h, before := newHouse(t), time.Now()
	for _, message := range []string{"DHCPDISCOVER", "DHCPREQUEST"} {
		h.NoteDHCP("mds", h.web.MAC, message)
	}
	heard := h.Record.DHCP.Of(timeline.DHCPClient{Network: "mds", MAC: h.web.MAC})
	if heard.Message != "DHCPREQUEST" || heard.At.Before(before) {
		t.Errorf("heard was %+v", heard)
	}
}

// TestForgetEachInterface checks that a guest that is released leaves none of its DHCP clients.
func TestForgetEachInterface(t *testing.T) {
	h := newHouse(t)
	guest := twice(h)
	clients := []timeline.DHCPClient{{Network: "mds", MAC: guest.MAC}, {Network: "lan", MAC: guest.Further[0].MAC}}
	for _, client := range clients {
		h.Record.DHCP.Note(client, timeline.DHCP{Message: "DHCPREQUEST", At: time.Now()})
	}
	h.Forget([]instance.Event{{Old: guest}})
	for _, client := range clients {
		if heard := h.Record.DHCP.Of(client); heard != nil {
			t.Errorf("on %s it was heard: %+v", client.Network, heard)
		}
	}
}
