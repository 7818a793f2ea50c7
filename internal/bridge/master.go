package bridge

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Master returns the name of the bridge, or other device, that an interface of
// this host belongs to, or "" if it belongs to none. It reports whether this host
// has the interface at all.
func Master(name string) (master string, there bool, err error) {
	link, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("interface %s: %w", name, err)
	}
	if link.Attrs().MasterIndex == 0 {
		return "", true, nil
	}
	of, err := netlink.LinkByIndex(link.Attrs().MasterIndex)
	if err != nil {
		return "", true, fmt.Errorf("the device that has the interface %s: %w", name, err)
	}
	return of.Attrs().Name, true, nil
}
