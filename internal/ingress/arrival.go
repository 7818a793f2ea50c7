package ingress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
)

// Of <linux/in.h> and <linux/in6.h>; package unix lacks them.
const (
	ipPktOptions   = 9
	ipv6PktOptions = 6 // IPV6_2292PKTOPTIONS
)

var errNoInterface = errors.New("the kernel does not report it")

// arrival asks the kernel for the interface of the connection. For a port of a
// bridge that is the bridge. The option is documented for datagrams, but of a TCP
// connection the kernel keeps the interface of its handshake.
// Source: ip(7) and ipv6(7); do_ip_getsockopt in Linux's net/ipv4/ip_sockglue.c.
func arrival(fd int, ipv6 bool) (int, error) {
	level, option := unix.SOL_IP, ipPktOptions
	if ipv6 {
		level, option = unix.SOL_IPV6, ipv6PktOptions
	}
	var buf [256]byte
	size, err := getsockopt(fd, level, option, buf[:])
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(buf[:size])
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if index := interfaceIndex(m); index > 0 {
			return index, nil
		}
	}
	return 0, errNoInterface
}

// getsockopt reads an option whose value has no fixed size.
func getsockopt(fd, level, option int, buf []byte) (int, error) {
	size := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(size), nil
}

// interfaceIndex reads struct in_pktinfo or in6_pktinfo.
func interfaceIndex(m unix.SocketControlMessage) int {
	switch {
	case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
		return int(binary.NativeEndian.Uint32(m.Data))
	case m.Header.Level == unix.SOL_IPV6 && len(m.Data) >= unix.SizeofInet6Pktinfo:
		return int(binary.NativeEndian.Uint32(m.Data[net.IPv6len:]))
	}
	return 0
}

// interfaceName asks by an open socket of any kind.
func interfaceName(fd, index int) (string, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	request.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request); err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	return request.Name(), nil
}

// hardwareAddress is that of an interface with Ethernet, zero of others.
func hardwareAddress(fd int, name string) (instance.MAC, error) {
	var request struct { // struct ifreq of <linux/if.h>
		name   [unix.IFNAMSIZ]byte
		family uint16
		data   [22]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFHWADDR, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return instance.MAC{}, fmt.Errorf("interface %s: %w", name, errno)
	}
	if request.family != unix.ARPHRD_ETHER {
		return instance.MAC{}, nil
	}
	return instance.MAC(request.data[:6]), nil
}

// neighbour asks the kernel's neighbour table for the MAC of an address on a link.
// It asks for that one entry, so the size of the table does not matter. Source:
// RTM_GETNEIGH, rtnetlink(7).
func neighbour(index int, addr netip.Addr) (instance.MAC, error) {
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	req := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, 0)
	req.AddData(&netlink.Ndmsg{Family: uint8(family), Index: uint32(index)})
	req.AddData(nl.NewRtAttr(netlink.NDA_DST, addr.AsSlice()))
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	if err != nil {
		return instance.MAC{}, fmt.Errorf("neighbour table: %w", err)
	}
	for _, answer := range answers {
		entry, err := netlink.NeighDeserialize(answer)
		if err == nil && len(entry.HardwareAddr) == len(instance.MAC{}) && entry.State&unusable == 0 {
			return instance.MAC(entry.HardwareAddr), nil
		}
	}
	return instance.MAC{}, errors.New("neighbour table: it has no MAC for the address")
}

const unusable = netlink.NUD_INCOMPLETE | netlink.NUD_FAILED
