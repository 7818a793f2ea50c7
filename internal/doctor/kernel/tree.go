package kernel

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Tree is the spanning tree of a bridge.
type Tree struct {
	On     bool
	Delay  time.Duration // for which a new port forwards nothing, twice
	Leader string        // the tap of the guest behind which the root is, if any
}

// devices is where the kernel shows interfaces and their attributes.
const devices = "sys/class/net"

// Tree reads the spanning tree of a bridge. A bridge that is not there has none.
func (r Reader) Tree(bridge string) Tree {
	dir := path.Join(devices, bridge, "bridge")
	return Tree{
		On:     r.number(path.Join(dir, "stp_state"), 10) != 0,
		Delay:  time.Duration(r.number(path.Join(dir, "forward_delay"), 10)) * 10 * time.Millisecond,
		Leader: r.leader(bridge, r.number(path.Join(dir, "root_port"), 10)),
	}
}

// number reads an attribute. It is 0 for one that is missing, too.
func (r Reader) number(attribute string, base int) int64 {
	text, err := fs.ReadFile(r.Root, attribute)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"), base, 64)
	return n
}

// leader is the tap device that is a bridge's root port, if one is. The bridge
// with the root port 0 is the root itself.
func (r Reader) leader(bridge string, root int64) string {
	ports, _ := fs.ReadDir(r.Root, path.Join(devices, bridge, "brif"))
	for _, port := range ports {
		number := r.number(path.Join(devices, port.Name(), "brport", "port_no"), 16)
		if root != 0 && number == root && r.exists(path.Join(devices, port.Name(), "tun_flags")) {
			return port.Name()
		}
	}
	return ""
}
