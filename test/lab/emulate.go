package lab

import (
	"context"
	"fmt"
	"time"
)

// Emulate runs a kernel in a virtual machine with one interface in the mds
// bridge, and returns what it writes to its serial port. The kernel must power
// the machine off or restart it. There is no disk.
func (l *Lab) Emulate(ctx context.Context, mac, kernel, arguments string) (string, error) {
	tap := fmt.Sprintf("vnet%d", l.ports.Add(1))
	for _, step := range [][]string{
		{"tuntap", "add", tap, "mode", "tap"},
		{"link", "set", tap, "master", Bridge, "up"},
	} {
		if err := l.Host.IP(ctx, step...); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return l.Host.Output(ctx, "qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-nographic", "-monitor", "none", "-serial", "stdio",
		"-no-reboot", "-nodefaults", "-netdev", "tap,id=net,ifname="+tap+",script=no,downscript=no",
		"-device", "virtio-net-pci,netdev=net,romfile=,mac="+mac, "-kernel", kernel, "-append", arguments)
}
