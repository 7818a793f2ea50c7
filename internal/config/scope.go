package config

import (
	"fmt"
	"net/netip"
	"slices"

	"mdserver/internal/instance"
)

// checkScope looks at a network whose hosts have ranges of their own. This host
// must have one, and there must be others to tell it from.
func (l *loader) checkScope(n Network) {
	if n.Scope != ScopeHost {
		return
	}
	l.checkRange(n, "reserved", n.Network, append([]instance.AddrRange{{First: n.Gateway, Last: n.Gateway}}, n.Reserved...))
	l.checkRange(n, "reserved6", n.Network6, append([]instance.AddrRange{{First: n.Gateway6, Last: n.Gateway6}}, n.Reserved6...))
	v := l.scopeValue(n)
	if l.config.Store.Backend != BackendEtcd && !slices.ContainsFunc(l.warnings, func(w Warning) bool { return w.Line == v.line && w.File == v.file }) {
		l.warnAt(v, "has no effect, because store.backend is not etcd: this host shares its inventory with no other")
	}
}

// checkRange refuses reserved ranges that leave a host without an address. They
// are how several hosts divide one prefix.
func (l *loader) checkRange(n Network, name string, prefix netip.Prefix, reserved []instance.AddrRange) {
	if !prefix.IsValid() || leavesAddress(prefix, reserved) {
		return
	}
	l.problem(l.networkValue(n, name, "net_address"), fmt.Sprintf("leaves no address of the network %s, %s, for guests of this host (scope = host)", n.Name, prefix),
		"ranges that leave this host a part of its own")
}

// scopeValue is where the scope of a network is set.
func (l *loader) scopeValue(n Network) *value {
	if v := l.sectionValue(n.Name, "scope"); !n.short && v.text != "" {
		return v
	}
	return l.place("dnsmasq.scope")
}

// networkValue is sectionValue for both forms of a network.
func (l *loader) networkValue(n Network, names ...string) *value {
	if !n.short {
		return l.sectionValue(n.Name, names...)
	}
	full := make([]string, 0, len(names))
	for _, name := range names {
		full = append(full, "dnsmasq."+name)
	}
	return l.place(full...)
}

// leavesAddress reports whether guests can have an address of a prefix that is in
// none of the ranges.
func leavesAddress(prefix netip.Prefix, reserved []instance.AddrRange) bool {
	return len(instance.GuestRanges(prefix, reserved)) > 0
}
