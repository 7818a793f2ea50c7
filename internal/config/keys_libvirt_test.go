package config

import "testing"

func TestLibvirtURI(t *testing.T) {
	for text, want := range map[string]LibvirtURI{
		"":                         {},
		"off":                      {Off: true},
		"qemu:///system":           {},
		"qemu:///session":          {Session: true},
		"qemu+unix:///system":      {},
		"'qemu:///session'":        {Session: true},
		"qemu:///system?socket=/a": {Socket: "/a"},
		"qemu+unix:///session?socket=/run/user/1000/libvirt/libvirt-sock": {
			Session: true, Socket: "/run/user/1000/libvirt/libvirt-sock"},
	} {
		setting := "[libvirt]\nuri = " + text + "\n"
		if text == "" {
			setting = ""
		}
		c, _ := mustLoad(t, setting)
		if c.Libvirt.URI != want {
			t.Errorf("%q is %+v, want %+v", text, c.Libvirt.URI, want)
		}
		again, err := libvirtURI.Parse(want.String())
		if err != nil || again != want {
			t.Errorf("%+v is written as %s, which is %+v (%v)", want, want, again, err)
		}
	}
	for _, text := range []string{"", "xen:///system", "qemu+ssh://kvm2/system", "qemu://kvm2/system", "qemu:///embed",
		"qemu:///system?socket=sock", "qemu:///system?socket=", "qemu:///system?mode=legacy", "qemu:///system?%zz", "on", "qemu:///%zz"} {
		if uri, err := libvirtURI.Parse(text); err == nil {
			t.Errorf("%q was taken for %+v", text, uri)
		}
	}
}
