//go:build host

package host

import "strings"

// resolved follows the guide to the host's own resolver with systemd-resolved. Doctor
// finds that the resolver does not know the guests' names, and its commands and those of
// the guide make it know them.
func (w *ward) resolved() {
	w.t.Helper()
	const section = "docs/howto/dns.md#Resolve guests from the host"
	finding := []string{"this host does not resolve names of guests in example.net"}
	g := guest{"web1", onMds}
	w.idle(g)
	w.must("root", "virsh start web1 && mdserver wait web1 --for registered && apt-get install --yes --no-install-recommends systemd-resolved")
	w.must("root", "systemctl restart systemd-resolved") // Debian 12 starts it before D-Bus knows its user
	w.configure("docs/howto/dns.md#Resolve guests' names in guests")
	w.cure("mdserver reload", "", finding...)
	w.finds(g)
	w.must("root", "resolvectl revert br-mds")
	w.sees(finding...)
	if out, err := w.run(suite.ctx, "root", "getent hosts web1.example.net", ""); err == nil {
		w.t.Errorf("the host resolves the name without the guide: %s", out)
	}

	w.block(section+"#1", "alice")
	w.gone(finding...)
	w.finds(g)

	w.must("root", "resolvectl revert br-mds")
	w.sees(finding...)
	w.writeFile("/etc/systemd/system/mdserver-names.service", w.withoutDevice(firstBlock(w.t, section, "text")))
	w.block(section+"#2", "alice")
	w.gone(finding...)
	w.finds(g)

	w.must("root", "systemctl disable --now mdserver-names systemd-resolved && rm /etc/systemd/system/mdserver-names.service")
	w.unguide()
	w.must("root", "mdserver reload; virsh destroy web1 && virsh undefine web1")
	w.wants("(mdserver doctor --json || true) | grep -c 'this host does not run systemd-resolved'", "1\n")
}

// finds wants this host to know a guest's address by its full name.
func (w *ward) finds(g guest) {
	w.t.Helper()
	addr := w.address(g)
	w.wants("getent hosts "+g.name+".example.net | cut -d ' ' -f 1", addr+"\n")
	w.wants("resolvectl query --legend=no "+g.name+".example.net | grep -c '"+addr+" .*link: br-mds'", "1\n")
}

// withoutDevice returns a unit that does not need the device of the bridge: a host in
// namespaces has no udev, which makes the devices' units. The name must be that device's.
func (w *ward) withoutDevice(unit string) string {
	w.t.Helper()
	device := strings.TrimSpace(w.must("root", "systemd-escape --path --suffix device /sys/subsystem/net/devices/br-mds"))
	lines := []string{"BindsTo=" + device, "WantedBy=" + device, "After=" + device + " "}
	for i, line := range []string{"", "WantedBy=multi-user.target", "After="} {
		if strings.Count(unit, lines[i]) != 1 {
			w.t.Errorf("the unit of the guide has no %q:\n%s", lines[i], unit)
		}
		unit = strings.Replace(unit, lines[i], line, 1)
	}
	return unit
}
