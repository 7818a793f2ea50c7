package network

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network/entries"
)

func noteOf(t *testing.T, list ...entries.Entry) string {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Without an answer of libvirt's, each entry has its commands.
func TestWithdrawWithoutLibvirt(t *testing.T) {
	none := connection.Endpoint{Socket: filepath.Join(t.TempDir(), "none")}
	uri := none.URI(connection.Network)
	for _, tt := range []struct {
		name    string
		note    string
		problem string
		want    []string
	}{
		{"both entries", noteOf(t, guest(5, "web")), "connecting to libvirt", []string{
			`ip-dhcp-host '<host mac="52:54:00:51:00:05" name="web" ip="192.168.122.5"></host>' --live --config`,
			`dns-host '<host ip="192.168.122.5"></host>' --live --config`,
		}},
		{"the DHCP entry is another's", noteOf(t, entries.Entry{IP: ip(5), Names: []string{"web"}}), "connecting to libvirt",
			[]string{`dns-host '<host ip="192.168.122.5"></host>' --live --config`}},
		{"the DNS entry is another's", noteOf(t, entries.Entry{MAC: mac(5), IP: ip(5)}), "connecting to libvirt",
			[]string{`ip-dhcp-host '<host mac="52:54:00:51:00:05" ip="192.168.122.5"></host>' --live --config`}},
		{"no entries", noteOf(t), "", nil},
		{"a note that is none", "x", "the note of the network's entries", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Withdraw(t.Context(), none, "lan's", tt.note)
			var want []string
			for _, w := range tt.want {
				want = append(want, "virsh --connect '"+uri+`' net-update 'lan'\''s' delete `+w)
			}
			if !slices.Equal(got.Commands, want) {
				t.Errorf("commands\n%s\nwant\n%s", strings.Join(got.Commands, "\n"), strings.Join(want, "\n"))
			}
			if problems := strings.Join(got.Problems, "; "); (problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
			if got.Removed != 0 {
				t.Errorf("%d entries removed", got.Removed)
			}
		})
	}
}
