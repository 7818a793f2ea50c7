package daemon

import (
	"net/netip"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt/network"
)

// networkStatus tells of each network who serves it and who is on it.
func (d *Daemon) networkStatus(guests *inventory.Snapshot) []api.Network {
	var list []api.Network
	for _, m := range d.serving.list() {
		n := api.Network{
			Name: m.Name, Backend: m.Backend, Bridge: m.Interface,
			IPv4: prefix(m.Network.Network), IPv6: prefix(m.Network6), Domain: m.Domain,
		}
		n.Guests, n.Used = population(guests, n.Name)
		n.PortSecurity = d.ports.Status(n.Name)
		switch server := m.server.(type) {
		case *dnsmasq.Service:
			st := server.Status()
			n.Dnsmasq, n.Trouble = &st, st.LastError
		case *network.Service:
			view, st := server.View(), server.Status()
			n.Bridge, n.IPv4, n.Domain = view.Bridge, prefix(view.IPv4), view.Domain
			n.Libvirt, n.Trouble = &st, st.LastError
		}
		n.Trouble = networkTrouble(n.Trouble, n.PortSecurity.Trouble)
		list = append(list, n)
	}
	return list
}

// networkTrouble is what is wrong with a network: what its server told last, or
// else what port security lacks.
func networkTrouble(served, enforced string) string {
	if served == "" && enforced != "" {
		return "port security is not enforced: " + enforced
	}
	return served
}

// lastError is what the server of a network told last.
func (m *member) lastError() string {
	switch server := m.server.(type) {
	case *dnsmasq.Service:
		return server.Status().LastError
	case *network.Service:
		return server.Status().LastError
	}
	return ""
}

// population counts the guests on a network and their IPv4 addresses there.
func population(guests *inventory.Snapshot, name string) (count, used int) {
	for inst := range guests.All() {
		places := inst.AllOn(name)
		if len(places) > 0 {
			count++
		}
		for _, place := range places {
			if place.IPv4.IsValid() {
				used++
			}
		}
	}
	return count, used
}

func prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// firstDnsmasq is the dnsmasq of the first network that has one.
func firstDnsmasq(networks []api.Network) api.Dnsmasq {
	for _, n := range networks {
		if n.Dnsmasq != nil {
			return *n.Dnsmasq
		}
	}
	return api.Dnsmasq{Mode: dnsmasq.Off}
}
