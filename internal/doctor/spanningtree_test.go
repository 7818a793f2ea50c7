package doctor

import (
	"strings"
	"testing"
	"testing/fstest"

	"mdserver/internal/config"
)

func TestSpanningTree(t *testing.T) {
	with := func(changes map[string]string) fstest.MapFS {
		devices := fstest.MapFS{}
		for path, text := range map[string]string{
			"virbr0/bridge/stp_state":     "1\n",
			"virbr0/bridge/forward_delay": "200\n",
			"virbr0/bridge/root_port":     "0\n",
			"virbr0/brif/eth0/port_no":    "0xa\n",
			"virbr0/brif/vnet0/port_no":   "0xb\n",
			"eth0/brport/port_no":         "0xa\n",
			"vnet0/brport/port_no":        "0xb\n",
			"vnet0/tun_flags":             "0x5002\n",
		} {
			devices[path] = &fstest.MapFile{Data: []byte(text)}
		}
		for path, text := range changes {
			devices[path] = &fstest.MapFile{Data: []byte(text)}
		}
		return devices
	}
	for _, test := range []struct {
		name    string
		devices fstest.MapFS
		want    string // "" for nothing
	}{
		{"of libvirt's default network", with(nil), ""},
		{"off", with(map[string]string{"virbr0/bridge/stp_state": "0\n", "virbr0/bridge/forward_delay": "1500\n"}), ""},
		{"no bridge", fstest.MapFS{}, ""},
		{"the kernel's default", with(map[string]string{"virbr0/bridge/forward_delay": "1500\n"}), "delays a new guest's packets for 30s"},
		{"a switch leads", with(map[string]string{"virbr0/bridge/root_port": "10\n"}), ""},
		{"a guest leads", with(map[string]string{"virbr0/bridge/root_port": "11\n"}), "a guest behind vnet0 leads the spanning tree of the bridge virbr0"},
	} {
		all := (&Host{Config: config.Default()}).spanningTree(test.devices, "default", "virbr0")
		switch {
		case test.want == "" && len(all) > 0:
			t.Errorf("%s: %+v", test.name, all)
		case test.want != "" && (len(all) != 1 || all[0].State != Warning || !strings.Contains(all[0].Text, test.want)):
			t.Errorf("%s: %+v, want a warning with %q", test.name, all, test.want)
		}
	}
}
