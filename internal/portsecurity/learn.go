package portsecurity

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Of linux/if_link.h and linux/if_bridge.h.
const (
	iflaBridgeOptions = 46 // IFLA_BR_MULTI_BOOLOPT: struct br_boolopt_multi
	noLinkLocalLearn  = 1  // the bit BR_BOOLOPT_NO_LL_LEARN
)

// learnFromControl says whether a bridge learns where a MAC is from frames to
// 01:80:c2:00:00:00 to 0f, such as LLDP. It takes those out before any rule sees
// them, so a guest could have another's frames sent to its own port.
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
