package system

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"mdserver/internal/doctor/firewall"
)

// Firewall are the rules of this host's packet filters. A host without the
// programs has no rules that they made.
type Firewall struct {
	Rules []firewall.Chains
	Blind []string        // what could not be read
	Zones map[string]Zone // firewalld's, of the networks' bridges, if it has rules here
}

// Zone is firewalld's zone for a bridge.
type Zone struct {
	Name string
	Join bool // the bridge is in no zone, and should be in this one
}

// Firewall reads the rules, and the zones of bridges.
func (r Reader) Firewall(ctx context.Context, bridges []string) Firewall {
	f := r.rules(ctx)
	if !f.hasFirewalld() { // which answers slowly
		return f
	}
	f.Zones = map[string]Zone{}
	for _, bridge := range bridges {
		f.Zones[bridge] = r.zone(ctx, bridge)
	}
	return f
}

func (f Firewall) hasFirewalld() bool {
	return slices.ContainsFunc(f.Rules, func(chains firewall.Chains) bool {
		return slices.ContainsFunc(chains, func(c firewall.Chain) bool { return c.Table == "firewalld" })
	})
}

// rules reads the rules of both kinds.
func (r Reader) rules(ctx context.Context) Firewall {
	var f Firewall
	for _, filter := range []struct {
		program string
		args    []string
		parse   func(string) (firewall.Chains, error)
	}{
		{"nft", []string{"-j", "list", "ruleset"}, firewall.ParseNFT},
		{"iptables-save", []string{"-t", "filter"}, iptables("ip")},
		{"ip6tables-save", []string{"-t", "filter"}, iptables("ip6")},
	} {
		text, err := r.Run(ctx, filter.program, filter.args...)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			f.Blind = append(f.Blind, fmt.Sprintf("rules not read (run as root): %v", err))
			continue
		}
		chains, err := filter.parse(text)
		if err != nil {
			f.Blind = append(f.Blind, err.Error())
			continue
		}
		f.Rules = append(f.Rules, chains)
	}
	return f
}

func iptables(family string) func(string) (firewall.Chains, error) {
	return func(text string) (firewall.Chains, error) { return firewall.ParseIPTables(family, text) }
}

// libvirtZone is firewalld's zone for libvirt's bridges. It admits DHCP and DNS,
// and rejects the rest. libvirt puts a bridge there when a network starts, when
// its daemon starts, and when firewalld reloads.
const libvirtZone = "libvirt"

// zone asks firewalld for a bridge's zone. A bridge that has none goes into
// libvirt's: the default zone is that of the outside.
func (r Reader) zone(ctx context.Context, bridge string) Zone {
	if name := r.askFirewalld(ctx, "--get-zone-of-interface="+bridge); name != "" {
		return Zone{Name: name}
	}
	if slices.Contains(strings.Fields(r.askFirewalld(ctx, "--get-zones")), libvirtZone) {
		return Zone{libvirtZone, true}
	}
	return Zone{Name: r.askFirewalld(ctx, "--get-default-zone")}
}

// askFirewalld returns "" if there is no answer.
func (r Reader) askFirewalld(ctx context.Context, question string) string {
	answer, err := r.Run(ctx, "firewall-cmd", question)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(answer)
}
