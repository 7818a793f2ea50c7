package router

import (
	"net/netip"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/report"
	"mdserver/internal/userdata"
	"mdserver/internal/userdata/multipart"
)

// reportParts makes cloud-init in guests report to this server, at an address that
// the guest can reach. It is nil if the configuration asks for no reports.
func reportParts(cfg *config.Config) userdata.Reports {
	if !cfg.Server.Report {
		return nil
	}
	return func(guest *instance.Instance) []multipart.Part {
		addr := reportAddress(cfg, guest)
		if !addr.IsValid() {
			return nil
		}
		return report.Parts(netip.AddrPortFrom(addr, uint16(cfg.Server.Port)))
	}
}

// reportAddress is where a guest finds this server for its reports. The address has
// no zone: the name of an interface is different in each guest.
func reportAddress(cfg *config.Config, guest *instance.Instance) netip.Addr {
	listen := cfg.Server.ListenAddress
	if guest.IPv4.IsValid() && (listen.Is4() || listen == netip.IPv6Unspecified()) {
		if listen.IsUnspecified() {
			return instance.Metadata4
		}
		return listen
	}
	if !guest.IPv6.IsValid() {
		return netip.Addr{}
	}
	if listen == netip.IPv6Unspecified() {
		return instance.Metadata6
	}
	for _, addr := range append([]netip.Addr{listen}, cfg.ListenAddresses6()...) {
		if addr.Is6() && !addr.IsLinkLocalUnicast() {
			return addr
		}
	}
	return netip.Addr{}
}
