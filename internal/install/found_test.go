package install

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindOriginal(t *testing.T) {
	root := t.TempDir()
	if found := FindOriginal(root); len(found) != 0 {
		t.Errorf("an empty host has %v", found)
	}
	files := []struct{ name, content string }{
		{"/etc/libvirt/hooks/qemu", "#!/bin/bash\ncurl -s -d @x http://169.254.169.254/instance-upload\n"},
		{"/etc/libvirt/hooks/qemu.d/old", "#!/bin/bash\ncurl http://169.254.169.254/instance-upload\n"},
		{"/etc/systemd/system/mdserver.service", "[Service]\nExecStart=/usr/bin/mdserver /etc/mdserver/mdserver.conf\n"},
		{"/etc/systemd/system/mdserver-dnsmasq.path", "[Path]\n"},
	}
	others := []struct{ name, content string }{
		{"/etc/libvirt/hooks/qemu.d/50-mdserver", "#!/bin/sh\nexec mdserver hook \"$@\"\n"},
		{"/etc/systemd/system/mdserver-dnsmasq.service", "[Service]\nExecStart=/usr/bin/mdserver dnsmasq\n"},
	}
	for _, f := range append(files, others...) {
		path := filepath.Join(root, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := FindOriginal(root)
	if len(found) != len(files) {
		t.Fatalf("found %v, want %v", found, files)
	}
	for i, f := range files {
		if want := filepath.Join(root, f.name); found[i].Path != want || found[i].Text == "" {
			t.Errorf("%d: found %v, want %s", i, found[i], want)
		}
	}
}
