package doctor

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// shortestDelay is the least forward delay of a bridge with spanning tree, which
// libvirt's networks have. A new guest's packets pass after two of them, before
// the guest has booted.
const shortestDelay = 2 * time.Second

// spanningTree reports a bridge on which spanning tree does harm. No rule sees its
// messages, and a guest may send them: the guest then leads the tree, and decides
// how long the packets of new guests are held back. The file system is
// /sys/class/net.
func (h *Host) spanningTree(devices fs.FS, network, bridge string) []Finding {
	tree := bridgeDir{devices, path.Join(bridge, "bridge")}
	if tree.number("stp_state", 10) == 0 {
		return nil
	}
	var found Finding
	delay := time.Duration(tree.number("forward_delay", 10)) * 10 * time.Millisecond
	switch leader := tree.leader(bridge); {
	case leader != "":
		found = warning("spanning_tree_led_by_guest", "a guest behind %s leads the spanning tree of the bridge %s, and can delay the packets of new guests", leader, bridge)
	case delay > shortestDelay:
		found = warning("spanning_tree_delay", "the spanning tree of the bridge %s delays a new guest's packets for %s", bridge, 2*delay)
	default:
		return nil
	}
	return []Finding{found.
		advise("if libvirt creates the bridge, set <bridge stp='off'/> in the network's definition: %s", h.virsh("net-edit %s", network)).
		mend(command("ip link set %s type bridge stp_state 0", bridge))}
}

// bridgeDir is a directory of a bridge's attributes, as sysfs shows them.
type bridgeDir struct {
	devices fs.FS
	dir     string
}

// number is 0 for an attribute that is missing, too.
func (d bridgeDir) number(attribute string, base int) int64 {
	text, err := fs.ReadFile(d.devices, path.Join(d.dir, attribute))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"), base, 64)
	return n
}

// leader is the tap device behind which the tree's root is, if a guest's is.
func (d bridgeDir) leader(bridge string) string {
	root := d.number("root_port", 10)
	if root == 0 {
		return "" // the bridge is the root
	}
	ports, _ := fs.ReadDir(d.devices, path.Join(bridge, "brif"))
	for _, port := range ports {
		number := bridgeDir{d.devices, path.Join(port.Name(), "brport")}.number("port_no", 16)
		_, err := fs.Stat(d.devices, path.Join(port.Name(), "tun_flags"))
		if number == root && err == nil {
			return port.Name()
		}
	}
	return ""
}
