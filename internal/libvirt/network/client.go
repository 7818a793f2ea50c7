package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network/entries"
)

// client speaks of one network with libvirt.
type client struct {
	conn *connection.Conn
	name string
}

// state is the network as libvirt has it at one moment.
type state struct {
	network    libvirt.Network
	active     bool
	persistent bool
	live       entries.Definition // if active
	config     entries.Definition // if persistent
	leases     map[netip.Addr]instance.MAC
}

// current is the definition that guests see, or would see.
func (s state) current() entries.Definition {
	if s.active {
		return s.live
	}
	return s.config
}

// side is one of the network's definitions.
type side struct {
	is   entries.Definition
	flag libvirt.NetworkUpdateFlags // that changes it
	name string                     // of virsh's option for it
}

// sides are the definitions that the network has.
func (s state) sides() []side {
	var list []side
	if s.persistent {
		list = append(list, side{s.config, libvirt.NetworkUpdateAffectConfig, "--config"})
	}
	if s.active {
		list = append(list, side{s.live, libvirt.NetworkUpdateAffectLive, "--live"})
	}
	return list
}

// read asks for the network's state.
func (c client) read(ctx context.Context) (state, error) {
	var s state
	err := c.conn.Do(ctx, func(l *libvirt.Libvirt) (err error) {
		if s.network, err = l.NetworkLookupByName(c.name); err != nil {
			return err
		}
		active, err := l.NetworkIsActive(s.network)
		if err != nil {
			return err
		}
		persistent, err := l.NetworkIsPersistent(s.network)
		if err != nil {
			return err
		}
		s.active, s.persistent = active != 0, persistent != 0
		return s.describe(l)
	})
	if err != nil {
		return s, fmt.Errorf("libvirt's network %s: %w", c.name, err)
	}
	return s, nil
}

func (s *state) describe(l *libvirt.Libvirt) (err error) {
	if s.active {
		if s.live, err = dump(l, s.network, 0); err != nil {
			return err
		}
		if s.leases, err = leases(l, s.network); err != nil {
			return err
		}
	}
	if s.persistent {
		s.config, err = dump(l, s.network, uint32(libvirt.NetworkXMLInactive))
	}
	return err
}

func dump(l *libvirt.Libvirt, network libvirt.Network, flags uint32) (entries.Definition, error) {
	text, err := l.NetworkGetXMLDesc(network, flags)
	if err != nil {
		return entries.Definition{}, err
	}
	return entries.Parse(text)
}

// leases are the IPv4 addresses that libvirt's dnsmasq has given out.
func leases(l *libvirt.Libvirt, network libvirt.Network) (map[netip.Addr]instance.MAC, error) {
	list, _, err := l.NetworkGetDhcpLeases(network, nil, 1, 0)
	if err != nil {
		return nil, err
	}
	found := map[netip.Addr]instance.MAC{}
	for _, lease := range list {
		addr, _ := netip.ParseAddr(lease.Ipaddr)
		if !addr.Is4() || len(lease.Mac) == 0 {
			continue
		}
		if mac, err := instance.ParseMAC(lease.Mac[0]); err == nil {
			found[addr] = mac
		}
	}
	return found, nil
}

// update carries out steps, on the running network or on its configuration.
// What is live is live when it returns: libvirt has dnsmasq read its files.
// A step that libvirt refuses does not end the others. An error means that
// libvirt did not answer.
func (c client) update(ctx context.Context, s state, steps []entries.Step, where libvirt.NetworkUpdateFlags) (refused []refusal, err error) {
	if len(steps) == 0 {
		return nil, nil
	}
	err = c.conn.Do(ctx, func(l *libvirt.Libvirt) error {
		for _, one := range steps {
			command, section, text := call(one)
			err := l.NetworkUpdateCompat(s.network, command, section, -1, text, where)
			if answer, answered := errors.AsType[libvirt.Error](err); answered {
				refused = append(refused, refusal{one, answer.Message})
			} else if err != nil {
				return fmt.Errorf("updating libvirt's network %s with %s: %w", c.name, text, err)
			}
		}
		return nil
	})
	return refused, err
}

// refusal is a step that libvirt did not carry out.
type refusal struct {
	step    entries.Step
	message string
}

func (r refusal) String() string {
	return fmt.Sprintf("libvirt refuses %s: %s", r.step.XML(), r.message)
}

// call returns what libvirt is asked for a step.
func call(s entries.Step) (libvirt.NetworkUpdateCommand, libvirt.NetworkUpdateSection, string) {
	command := libvirt.NetworkUpdateCommandAddLast
	if s.Remove {
		command = libvirt.NetworkUpdateCommandDelete
	}
	if s.DHCP != nil {
		return command, libvirt.NetworkSectionIPDhcpHost, s.XML()
	}
	return command, libvirt.NetworkSectionDNSHost, s.XML()
}
