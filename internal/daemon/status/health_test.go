package status

import (
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/logging/queue"
)

// A log that takes no lines is a trouble, whether it fails or hangs.
func TestQueueTrouble(t *testing.T) {
	since := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		status queue.Status
		want   string // the message
		since  time.Time
	}{
		{"it is written", queue.Status{}, "", time.Time{}},
		{"it has lost lines before", queue.Status{Lost: 3}, "", time.Time{}},
		{"it hangs", queue.Status{Stuck: since, Lost: 3}, "the log has accepted no line since 10:00:00; 3 lines are lost so far", since},
		{"it fails", queue.Status{Error: "no space left", Lost: 3}, "the log cannot be written: no space left; 3 lines are lost so far", time.Time{}},
		{"it failed and hangs", queue.Status{Stuck: since, Error: "no space left"}, "the log has accepted no line since 10:00:00; 0 lines are lost so far", since},
	} {
		got := queueTrouble("the log", tt.status)
		switch {
		case tt.want == "" && len(got) == 0:
		case len(got) != 1 || got[0].Message != tt.want || got[0].Part != "log" || !got[0].Since.Equal(tt.since):
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
	}
}

// A libvirt that was there and does not answer is a trouble. A host may have none.
func TestLibvirtTrouble(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state api.LibvirtSync
		want  bool
	}{
		{"it is followed", api.LibvirtSync{Connected: true, Socket: "/run/libvirt/libvirt-sock"}, false},
		{"it has not been tried", api.LibvirtSync{}, false},
		{"there is none", api.LibvirtSync{Error: "no such file"}, false},
		{"it was lost", api.LibvirtSync{Error: "closed", Socket: "/run/libvirt/libvirt-sock", Since: time.Unix(1, 0)}, true},
		{"it was lost and is followed again", api.LibvirtSync{Connected: true, Error: "closed", Socket: "/run/libvirt/libvirt-sock"}, false},
	} {
		r := New(Parts{Libvirt: func() api.Libvirt { return api.Libvirt{LibvirtSync: tt.state} }})
		got := r.libvirtTrouble()
		if (len(got) > 0) != tt.want || tt.want && (got[0].Message != "no connection: closed" || !got[0].Since.Equal(time.Unix(1, 0))) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
