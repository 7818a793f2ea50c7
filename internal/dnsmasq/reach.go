package dnsmasq

import (
	"context"
	"net/netip"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/nameserver"
)

// reach starts the dnsmasq of a Service and connects to it. Tests use one in memory.
type reach struct {
	run func(*Service) process.Runner
	dns func(content.Settings) server
}

// server is a dnsmasq that answers DNS; see probe.Server.
type server interface {
	Address() (netip.AddrPort, error)
	Dial(ctx context.Context) (*nameserver.Client, error)
	FirstAnswer(ctx context.Context) ([]string, error)
	Await(ctx context.Context, name string, addr netip.Addr) error
	Release(ctx context.Context, leases []content.Binding) error
}

// onHost returns the reach of a dnsmasq on this host.
func onHost() reach {
	return reach{run: (*Service).run, dns: func(s content.Settings) server { return probe.Server{Settings: s} }}
}

func (s *Service) dns() server { return s.reach.dns(s.settings.Settings) }

// run starts dnsmasq, or follows the one of another service.
func (s *Service) run() process.Runner {
	if s.settings.Mode != content.Child {
		return process.Follow(s.settings.Place)
	}
	clients := s.clients
	clients.OnLine = s.declines.note
	return process.Start(s.settings.Place, s.files, s.log, clients)
}
