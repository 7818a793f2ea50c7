package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/config"
)

func TestDrivers(t *testing.T) {
	const onOurs, elsewhere = "<source network='mds'/>", "<source network='lan'/>"
	card := func(source, model string) string {
		return fmt.Sprintf("<interface type='network'><mac address='52:54:00:00:00:01'/>%s<model type='%s'/></interface>", source, model)
	}
	disk := func(device, bus string) string {
		return fmt.Sprintf("<disk type='file' device='%s'><target dev='x' bus='%s'/></disk>", device, bus)
	}
	for name, test := range map[string]struct{ devices, want string }{
		"virtio":                      {card(onOurs, "virtio") + disk("disk", "virtio"), ""},
		"an older name of virtio":     {card(onOurs, "virtio-transitional"), ""},
		"vmxnet3":                     {card(onOurs, "vmxnet3"), ""},
		"a device of the host":        {"<interface type='network'><mac address='52:54:00:00:00:01'/>" + onOurs + "</interface>", ""},
		"virt-install without osinfo": {card(onOurs, "e1000") + disk("disk", "ide"), "the network card e1000"},
		"e1000e":                      {card(onOurs, "e1000e"), "the network card e1000e"},
		"rtl8139":                     {card(onOurs, "rtl8139"), "the network card rtl8139"},
		"ne2k_pci":                    {card(onOurs, "ne2k_pci"), "the network card ne2k_pci"},
		"two cards":                   {card(elsewhere, "e1000") + card(onOurs, "virtio"), ""},
		"a SATA disk":                 {card(onOurs, "virtio") + disk("disk", "sata"), "a SATA disk"},
		"a SATA drive for CDs":        {card(onOurs, "virtio") + disk("cdrom", "sata"), ""},
		"both":                        {card(onOurs, "pcnet") + disk("disk", "sata"), "the network card pcnet, a SATA disk"},
		"a guest of others":           {card(elsewhere, "e1000"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parseDomain("<domain><name>web1</name><uuid>7e5a544d-d555-4133-a443-8229415be701</uuid><devices>" + test.devices + "</devices></domain>")
			if err != nil {
				t.Fatal(err)
			}
			h := &Host{Config: config.Default(), Networks: []Network{{Name: "mds"}}, statusErr: errors.New("not running")}
			if got := strings.Join(h.foreign(d), ", "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			h.libvirt.domains = []domain{d}
			found := checkDrivers(t.Context(), h)
			warned := slices.ContainsFunc(found, func(f Finding) bool { return f.State == Warning && strings.Contains(f.Text, test.want) })
			if len(found) != 1 || warned != (test.want != "") {
				t.Errorf("found %+v", found)
			}
		})
	}
}
