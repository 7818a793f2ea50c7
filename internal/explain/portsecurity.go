package explain

import (
	"net/netip"
	"slices"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

func (s Subject) portSecurity() []api.GuestPortSecurity {
	all := []api.GuestPortSecurity{}
	for _, n := range s.Networks {
		if _, on := s.Guest.On(n.Name); !on {
			continue
		}
		found := false
		for _, port := range s.Ports {
			if port.Network == n.Name {
				all, found = append(all, enforced(port)), true
			}
		}
		if !found {
			all = append(all, notEnforced(n))
		}
	}
	return all
}

func enforced(port api.Port) api.GuestPortSecurity {
	p := api.GuestPortSecurity{Network: port.Network, Port: port.Name, State: "on", Dropped: port.Dropped, MACs: port.MACs}
	p.Why = "libvirt runs the guest on this port"
	if port.Off {
		p.State, p.Why = "off", "port_security in the domain's <metadata>"
		return p
	}
	for _, addr := range port.Addrs {
		p.Sends = append(p.Sends, netip.PrefixFrom(addr, addr.BitLen()))
	}
	p.Sends = append(p.Sends, port.Allowed...)
	return p
}

func notEnforced(n instance.Network) api.GuestPortSecurity {
	if !n.PortSecurity {
		return api.GuestPortSecurity{Network: n.Name, State: "off", Why: "port_security of the network is no"}
	}
	return api.GuestPortSecurity{Network: n.Name, State: "unknown", Why: "the guest does not run, or its port is not known"}
}

// claimed lists the guest's allowed_addresses that have no effect, because they
// belong to others.
func (s Subject) claimed() []api.Missing {
	var list []api.Missing
	for _, prefix := range s.Guest.Metadata.AllowedAddresses().Prefixes {
		if !prefix.IsSingleIP() || slices.Contains(s.Guest.Addrs(), prefix.Addr()) {
			continue
		}
		if other, ok := s.Snapshot.ByAddr(prefix.Addr()); ok {
			list = append(list, lacks("allowed_address_ignored", "its allowed_addresses contain %s, which belongs to guest %s: ignored", prefix.Addr(), other.Name))
		}
		for _, n := range s.Networks {
			if prefix.Addr() == n.Gateway4 || prefix.Addr() == n.Gateway6 {
				list = append(list, lacks("allowed_address_ignored", "its allowed_addresses contain %s, the router of the network %s: ignored", prefix.Addr(), n.Name))
			}
		}
	}
	return list
}
