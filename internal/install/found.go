package install

import (
	"os"
	"path/filepath"
)

// Found is a file of the Python mdserver on this host, and what becomes of it.
type Found struct {
	Path string
	Text string
}

// FindOriginal looks for the Python mdserver's hook and units below root. What this
// user cannot read is left out.
func FindOriginal(root string) []Found {
	var found []Found
	hooks, _ := filepath.Glob(filepath.Join(root, "/etc/libvirt/hooks/qemu.d/*")) // the pattern is valid
	for _, hook := range append([]string{filepath.Join(root, "/etc/libvirt/hooks/qemu")}, hooks...) {
		if is(hook, isOriginalHook) {
			found = append(found, Found{hook, "is the Python mdserver's hook, which delays each guest's start. `mdserver install` adds the new hook " +
				"in qemu.d and renames this one, unless it is in qemu.d too or you changed it: then remove it by hand"})
		}
	}
	for _, unit := range []struct {
		name      string
		recognise func([]byte) bool
	}{{serverUnit, isOriginalServerUnit}, {dnsmasqUnit, isOriginalDnsmasqUnit}, {pathUnit, isOriginalPathUnit}} {
		if path := filepath.Join(root, unitDir, unit.name); is(path, unit.recognise) {
			found = append(found, Found{path, "is the Python mdserver's unit; `mdserver install` renames it to " + unit.name + originalSuffix + ", and `mdserver uninstall` puts it back"})
		}
	}
	if path := filepath.Join(root, unitDir, pathUnit); exists(path) && !is(path, isOriginalPathUnit) {
		found = append(found, Found{path, "starts the Python mdserver's dnsmasq again; stop it and remove it"})
	}
	return found
}

func is(path string, recognise func([]byte) bool) bool {
	content, err := os.ReadFile(path)
	return err == nil && recognise(content)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
