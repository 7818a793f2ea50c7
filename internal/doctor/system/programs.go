package system

import (
	"context"
	"os"
	"strings"

	"mdserver/internal/health"
)

// Dnsmasq is the dnsmasq program.
type Dnsmasq struct {
	Missing error  // why there is no such file
	Version string // what it prints
	Err     error  // why it does not run
}

// Dnsmasq asks the program for its version.
func (r Reader) Dnsmasq(ctx context.Context, program string) (d Dnsmasq) {
	if _, d.Missing = os.Stat(program); d.Missing == nil {
		d.Version, d.Err = r.Run(ctx, program, "--version")
	}
	return d
}

// Resolver is systemd-resolved: the DNS servers and the domains of each link and
// of the whole host.
//
// Source: resolvectl(1).
type Resolver struct {
	Runs             bool
	Err              error // why it does not answer
	Servers, Domains map[string][]string
}

// Resolver asks for the settings of all links. A service that does not run is not asked:
// resolvectl would start it. Its directory in /run stays when it stops.
func (r Reader) Resolver(ctx context.Context) Resolver {
	if r.Property(ctx, "systemd-resolved.service", "ActiveState") != "active" {
		return Resolver{}
	}
	servers, err := r.Run(ctx, "resolvectl", "dns")
	if err != nil {
		return Resolver{Runs: true, Err: err}
	}
	domains, err := r.Run(ctx, "resolvectl", "domain")
	return Resolver{Runs: true, Err: err, Servers: scopes(servers), Domains: scopes(domains)}
}

// scopes reads a list of resolvectl: what each link has, and the whole host. A long
// list is continued in indented lines.
func scopes(text string) map[string][]string {
	all := map[string][]string{}
	var scope string
	for line := range strings.Lines(text) {
		words := line
		if !strings.HasPrefix(line, " ") {
			scope, words, _ = strings.Cut(line, ":")
		}
		all[scope] = append(all[scope], strings.Fields(words)...)
	}
	return all
}

// Clock is the kernel's clock.
type Clock struct {
	Container    bool // it is set outside
	Known        bool // the kernel reports its state
	Synchronised bool
}

// ReadClock asks the kernel for the state of its clock.
func ReadClock() Clock {
	synced, known := health.Synchronised()
	return Clock{Container: health.InContainer(), Known: known, Synchronised: synced}
}
