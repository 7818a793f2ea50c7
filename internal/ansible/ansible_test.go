package ansible

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

var (
	web1 = Guest{Keys: []api.SSHKey{{Type: "ssh-ed25519", Key: "AAAA"}}, Guest: api.Guest{State: api.Running, Instance: instance.Instance{
		ID: "i-1", Name: "web 1", Hostname: "web-1", UUID: uuid.MustParse("4f2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a01"),
		Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 1}, IPv4: netip.MustParseAddr("10.122.0.9"),
		Further: []instance.Attachment{
			{Network: "lan-2", MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("10.50.0.9"), IPv6: netip.MustParseAddr("fd00:50::9")},
			{Network: "lan-2", MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 3}},
		},
		Metadata: instance.Metadata{Tags: map[string]string{"role": "web", "env": "größe 1", "bare": ""}},
		Password: "geheim",
	}}}
	six = Guest{Guest: api.Guest{State: api.Off, Instance: instance.Instance{
		Name: "six", Hostname: "six", Network: "mds", IPv6: netip.MustParseAddr("fd00::6"),
		Metadata: instance.Metadata{Tags: map[string]string{"role": "web"}},
	}}}
	nowhere = Guest{Guest: api.Guest{State: api.Gone, Instance: instance.Instance{Name: "nowhere", Hostname: "nowhere"}}}
)

// decoded is a value as Ansible reads it.
func decoded(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var result any
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func hosts(names ...any) map[string]any { return map[string]any{"hosts": append([]any{}, names...)} }

func TestList(t *testing.T) {
	got := decoded(t, List([]Guest{web1, six, nowhere})).(map[string]any)
	vars := got["_meta"].(map[string]any)["hostvars"].(map[string]any)
	if len(vars) != 3 {
		t.Errorf("there are variables of %d hosts", len(vars))
	}
	delete(got, "_meta")
	want := map[string]any{
		"mdserver":        hosts("nowhere", "six", "web-1"),
		"network_mds":     hosts("six", "web-1"),
		"network_lan_2":   hosts("web-1"),
		"state_running":   hosts("web-1"),
		"state_off":       hosts("six"),
		"state_gone":      hosts("nowhere"),
		"state_away":      hosts(),
		"state_unknown":   hosts(),
		"tag_role_web":    hosts("six", "web-1"),
		"tag_env_gr__e_1": hosts("web-1"),
		"tag_bare":        hosts("web-1"),
	}
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyList(t *testing.T) {
	want := map[string]any{
		"_meta": map[string]any{"hostvars": map[string]any{}}, "mdserver": hosts(),
		"state_running": hosts(), "state_off": hosts(), "state_away": hosts(), "state_gone": hosts(), "state_unknown": hosts(),
	}
	if diff := cmp.Diff(any(want), decoded(t, List(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestHost(t *testing.T) {
	want := map[string]any{
		"ansible_host": "10.122.0.9", "mdserver_ipv4": "10.122.0.9", "mdserver_ipv6": "fd00:50::9",
		"mdserver_name": "web 1", "mdserver_instance_id": "i-1", "mdserver_uuid": "4f2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a01",
		"mdserver_state": "running", "mdserver_mac": "52:54:00:00:00:01", "mdserver_networks": []any{"mds", "lan-2"},
		"mdserver_tags": map[string]any{"role": "web", "env": "größe 1", "bare": ""}, "mdserver_host_keys": []any{"ssh-ed25519 AAAA"},
	}
	if diff := cmp.Diff(any(want), decoded(t, Host(web1))); diff != "" {
		t.Error(diff)
	}
	for guest, addr := range map[*Guest]any{&six: "fd00::6", &nowhere: nil} {
		if got := Host(*guest)["ansible_host"]; got != addr {
			t.Errorf("%s: ansible_host is %v, want %v", guest.Name, got, addr)
		}
	}
}

// Ansible runs no template that a definition has.
func TestTemplatesAreLiteral(t *testing.T) {
	for _, text := range []string{"{{ 1 + 1 }}", "{% raw %}", "a {{lookup('pipe', 'id')}}", "{# x #}"} {
		guest := web1
		guest.Name, guest.ID, guest.Network = text, text, text
		guest.Metadata.Tags = map[string]string{"role": text}
		vars := decoded(t, Host(guest)).(map[string]any)
		want := map[string]any{"__ansible_unsafe": text}
		for name, got := range map[string]any{
			"name": vars["mdserver_name"], "instance-id": vars["mdserver_instance_id"],
			"network": vars["mdserver_networks"].([]any)[0], "tag": vars["mdserver_tags"].(map[string]any)["role"],
		} {
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("%q as %s: %s", text, name, diff)
			}
		}
	}
}
