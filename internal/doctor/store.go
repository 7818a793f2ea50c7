package doctor

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/inventory/etcdstore"
)

const (
	expiresSoon = 30 * 24 * time.Hour
	clockApart  = 5 * time.Second
	fleetPage   = "see docs/howto/fleet.md"
)

// checkStore asks the members of the etcd cluster that has the inventory.
func checkStore(ctx context.Context, h *Host) []Finding {
	cfg := h.Config.Store
	if cfg.Backend != config.BackendEtcd {
		return []Finding{fine("the inventory is on this host, in %s", h.Config.Server.Database)}
	}
	found, err := etcd.Inspect(ctx, cfg)
	if err != nil {
		return []Finding{wrong("etcd_files_unusable", "etcd cannot be used: %v", err).advise("correct the section [store] of %s", h.ConfigFile)}
	}
	return storeFindings(found, time.Now())
}

func storeFindings(found etcd.Inspection, now time.Time) []Finding {
	var all []Finding
	usable := 0
	for _, m := range found.Members {
		if m.Usable() {
			usable++
		}
		all = append(all, memberFindings(m, now)...)
	}
	all = append(all, expiry("this host's certificate for etcd", found.Own, now)...)
	switch {
	case usable == 0:
		all = append(all, wrong("etcd_unavailable", "no etcd member can take changes").advise("start the members, or recover the cluster; "+fleetPage))
	case found.Access != nil:
		all = append(all, wrong("etcd_access_denied", "keys in etcd cannot be read: %s", status.Convert(found.Access).Message()).
			advise("check user, password_file and cert_file in the section [store], and the rights of the user in etcd; "+fleetPage))
	}
	if strange := slices.DeleteFunc(slices.Clone(found.Kinds), isOurs); len(strange) > 0 {
		all = append(all, wrong("etcd_prefix_shared", "another program has keys below the prefix in etcd: %s", strings.Join(strange, ", ")).
			advise("give mdserver a prefix of its own, the same on all hosts"))
	}
	return unless(all, fine("%d of %d etcd members can be used", usable, len(found.Members)))
}

// isOurs reports whether mdserver has keys of a kind.
func isOurs(kind string) bool { return slices.Contains(etcdstore.Kinds(), kind) }

func memberFindings(m etcd.Inspected, now time.Time) []Finding {
	var all []Finding
	switch {
	case m.Err != nil:
		return []Finding{warning("etcd_member_unreachable", "the etcd member %s does not answer: %s", m.Endpoint, status.Convert(m.Err).Message()).
			advise("start the member, or replace it; " + fleetPage)}
	case !m.Leader:
		all = append(all, warning("etcd_member_without_leader", "the etcd member %s knows no leader", m.Endpoint).
			advise("check the connections between the members"))
	}
	for _, alarm := range m.Alarms {
		all = append(all, wrong("etcd_alarm", "the etcd member %s reports %s", m.Endpoint, alarm).
			advise("for NOSPACE: compact and defragment etcd or raise its quota, then disarm the alarm with etcdctl"))
	}
	if m.Clock.Abs() > clockApart {
		all = append(all, warning("etcd_clock_differs", "the clock of the etcd member %s differs from this host's by %s", m.Endpoint, m.Clock.Abs()).
			advise("synchronise the clocks of both hosts"))
	}
	return append(all, expiry("the certificate of the etcd member "+m.Endpoint, m.Expires, now)...)
}

// expiry finds a certificate that must be renewed. A zero end is no certificate.
func expiry(what string, end, now time.Time) []Finding {
	switch {
	case end.IsZero() || end.Sub(now) > expiresSoon:
		return nil
	case end.Before(now):
		return []Finding{wrong("etcd_certificate_expired", "%s expired on %s", what, end.Format(time.DateOnly)).advise("renew it; " + fleetPage)}
	}
	return []Finding{warning("etcd_certificate_expires", "%s expires on %s", what, end.Format(time.DateOnly)).advise("renew it; " + fleetPage)}
}
