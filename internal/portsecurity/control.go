package portsecurity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"mdserver/internal/rtnl"
)

// A bridge takes control frames, those to 01:80:c2:00:00:00 to 0f, out before any
// rule sees them. It runs its spanning tree by them, learns from them where a MAC
// is, and hands what they carry to this host, as if it came by the port and not by
// the bridge: ARP, router advertisements, datagrams. Source: br_handle_frame in
// Linux's net/bridge/br_input.c.

// likeOthers is the mask (group_fwd_mask) of a port whose control frames are
// treated like others, and so pass the rules. It has all of them but pause frames,
// which the kernel always drops.
const likeOthers = math.MaxUint16 &^ (1 << 1)

// controlMasks returns the mask of each port of this host's bridges, by its number.
func controlMasks() (map[uint32]uint16, error) {
	messages, err := rtnl.Whole(func() ([][]byte, error) {
		request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		request.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		return request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	})
	if err != nil {
		return nil, fmt.Errorf("ports of bridges: %w", err)
	}
	masks := map[uint32]uint16{}
	for _, message := range messages {
		port := nl.DeserializeIfInfomsg(message)
		if mask, ok := controlMask(message[port.Len():]); ok {
			masks[uint32(port.Index)] = mask
		}
	}
	return masks, nil
}

// controlMask finds the mask among the attributes of a port.
func controlMask(attributes []byte) (mask uint16, ok bool) {
	for _, kind := range []uint16{unix.IFLA_PROTINFO | unix.NLA_F_NESTED, nl.IFLA_BRPORT_GROUP_FWD_MASK} {
		found, err := nl.ParseRouteAttrAsMap(attributes)
		if err != nil {
			return 0, false
		}
		attributes = found[kind].Value
	}
	if len(attributes) < 2 {
		return 0, false
	}
	return binary.NativeEndian.Uint16(attributes), true
}

// setControlMask sets the mask of a port, unless the port is gone.
func setControlMask(port uint32, mask uint16) error {
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: int(port)}}
	if err := netlink.LinkSetBRSlaveGroupFwdMask(link, mask); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("option group_fwd_mask of a bridge's port: %w", err)
	}
	return nil
}

// Of linux/if_link.h and linux/if_bridge.h.
const (
	iflaBridgeOptions = 46 // IFLA_BR_MULTI_BOOLOPT: struct br_boolopt_multi
	noLinkLocalLearn  = 1  // the bit BR_BOOLOPT_NO_LL_LEARN
)

// learnFromControl says whether a bridge learns where a MAC is from control frames.
// It holds from the start for ports that come later, whose masks are not set yet: a
// guest could have another's frames sent to its own port.
func learnFromControl(bridge uint32, learn bool) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(bridge)
	request.AddData(message)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(iflaBridgeOptions, learnOptions(learn))
	request.AddData(info)
	if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("option no_linklocal_learn of a bridge: %w", err)
	}
	return nil
}

// learnOptions returns the value of the option, and the mask of the options to set.
func learnOptions(learn bool) []byte {
	value := uint32(noLinkLocalLearn)
	if learn {
		value = 0
	}
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, value), noLinkLocalLearn)
}
