package libvirttest

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Network is a network that the server has.
type Network struct {
	Name       string
	Bridge     string // "" for a network without one
	Active     bool
	Persistent bool
	// XML is the definition. Entries that clients add replace DHCPEntries and
	// DNSEntries in it.
	XML string
	// Live and Config are the entries that clients have added to the running
	// network and to its configuration.
	Live, Config []string
	Leases       []Lease
}

// Lease is an address that a network's DHCP server has given out. The MAC may be
// missing.
type Lease struct{ MAC, IP string }

// Where a definition has the entries of clients.
const (
	DHCPEntries = "<!-- dhcp -->"
	DNSEntries  = "<!-- dns -->"
)

// SetNetwork adds a network, or changes the one with the same name.
func (s *Server) SetNetwork(n Network) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.networks[n.Name] = &n
}

// SetBridge adds a running network with a bridge.
func (s *Server) SetBridge(network, bridge string) {
	s.SetNetwork(Network{Name: network, Bridge: bridge, Active: true})
}

// Network returns a copy of a network as it is now.
func (s *Server) Network(name string) Network {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := *s.networks[name]
	n.Live, n.Config = slices.Clone(n.Live), slices.Clone(n.Config)
	return n
}

// networkReply answers the calls that begin with a network.
func (s *Server) networkReply(call Procedure, arguments []byte, body *payload) (golibvirt.ErrorNumber, error) {
	switch call {
	case SupportsFeature:
		body.number(1)
		return 0, nil
	case ListAllNetworks:
		body.number(int32(len(s.networks)))
		for _, name := range slices.Sorted(maps.Keys(s.networks)) {
			body.network(name)
		}
		body.number(int32(len(s.networks)))
		return 0, nil
	}
	name, rest := cutText(arguments)
	n := s.networks[name]
	if n == nil {
		return golibvirt.ErrNoNetwork, nil
	}
	rest = rest[min(len(rest), 16):] // the UUID; a look-up by name has none
	switch call {
	case NetworkLookup:
		body.network(name)
	case NetworkGetBridge:
		if n.Bridge == "" {
			return golibvirt.ErrInternalError, nil
		}
		body.text(n.Bridge)
	case NetworkActive:
		body.flag(n.Active)
	case NetworkPersistent:
		body.flag(n.Persistent)
	case NetworkGetXML:
		inactive := binary.BigEndian.Uint32(rest) == uint32(golibvirt.NetworkXMLInactive)
		body.text(n.definition(inactive))
	case NetworkUpdate:
		return n.update(rest), nil
	case NetworkLeases:
		if binary.BigEndian.Uint32(rest[len(rest)-4:]) != 0 { // no flags are defined
			return golibvirt.ErrInvalidArg, nil
		}
		body.number(int32(len(n.Leases)))
		for _, l := range n.Leases {
			body.lease(n.Bridge, l)
		}
		body.number(int32(len(n.Leases)))
	default:
		return 0, errProtocol
	}
	return 0, nil
}

func (n *Network) definition(inactive bool) string {
	entries := n.Live
	if inactive {
		entries = n.Config
	}
	var dhcp, dns strings.Builder
	for _, entry := range entries {
		if isDNS(entry) {
			dns.WriteString(entry)
		} else {
			dhcp.WriteString(entry)
		}
	}
	return strings.NewReplacer(DHCPEntries, dhcp.String(), DNSEntries, dns.String()).Replace(n.XML)
}

// isDNS tells an entry of DNS from one of DHCP, which has a MAC.
func isDNS(entry string) bool { return !strings.Contains(entry, "mac=") }

// update adds or removes an entry. A DNS entry is removed by its address alone.
func (n *Network) update(arguments []byte) golibvirt.ErrorNumber {
	command := golibvirt.NetworkUpdateCommand(binary.BigEndian.Uint32(arguments))
	section := golibvirt.NetworkUpdateSection(binary.BigEndian.Uint32(arguments[4:]))
	text, rest := cutText(arguments[12:]) // after the index of the parent
	entries := &n.Live
	if golibvirt.NetworkUpdateFlags(binary.BigEndian.Uint32(rest)) == golibvirt.NetworkUpdateAffectConfig {
		entries = &n.Config
	}
	if (section == golibvirt.NetworkSectionDNSHost) != isDNS(text) {
		return golibvirt.ErrXMLError
	}
	if command == golibvirt.NetworkUpdateCommandAddLast {
		*entries = append(*entries, text)
		return 0
	}
	beginning := strings.TrimSuffix(text, "</host>")
	at := slices.IndexFunc(*entries, func(entry string) bool { return strings.HasPrefix(entry, beginning) })
	if at < 0 {
		return golibvirt.ErrOperationInvalid
	}
	*entries = slices.Delete(*entries, at, at+1)
	return 0
}

// cutText reads a text of XDR.
func cutText(data []byte) (text string, rest []byte) {
	length := int(binary.BigEndian.Uint32(data))
	return string(data[4:][:length]), data[4+(length+3)&^3:]
}

// network is a network with an empty UUID.
func (p *payload) network(name string) {
	p.text(name)
	p.Write(make([]byte, 16))
}

func (p *payload) flag(set bool) {
	if set {
		p.number(1)
	} else {
		p.number(0)
	}
}

// lease writes what most leases have: a MAC, and no names and ids.
func (p *payload) lease(bridge string, l Lease) {
	p.text(bridge)
	p.Write(make([]byte, 8)) // when it ends
	p.number(0)              // IPv4
	p.flag(l.MAC != "")
	if l.MAC != "" {
		p.text(l.MAC)
	}
	p.number(0) // no IAID
	p.text(l.IP)
	p.number(24)
	p.number(0) // no host name
	p.number(0) // no client ID
}
