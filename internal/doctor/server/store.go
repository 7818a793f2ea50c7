package server

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	"mdserver/internal/config"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/etcd"
	"mdserver/internal/etcd/cluster"
	"mdserver/internal/inventory/etcdstore"
)

const (
	expiresSoon = 30 * 24 * time.Hour
	clockApart  = 5 * time.Second
	fleetPage   = "see docs/howto/fleet.md"
)

// Store checks the etcd cluster that has the inventory.
func Store(h *host.Facts) []finding.Finding {
	switch {
	case h.Config.Store.Backend != config.BackendEtcd:
		return []finding.Finding{finding.Good("the inventory is on this host, in %s", h.Config.Server.Database)}
	case h.Store.Err != nil:
		return []finding.Finding{finding.Fail("etcd_files_unusable", "etcd cannot be used: %v", h.Store.Err).
			Advise("correct the section [store] of %s", h.ConfigFile)}
	}
	all := append(clusterFindings(h.Store.Found, h.Now), inService(h)...)
	if h.Config.Store.Key == "" {
		all = append(all, finding.Good("this host's keys for tokens and certificates are its own: a guest that moves here or away needs new ones; `store.key` shares them, %s", fleetPage))
	}
	return all
}

func clusterFindings(found cluster.Inspection, now time.Time) []finding.Finding {
	var all []finding.Finding
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
		all = append(all, finding.Fail("etcd_unavailable", "no etcd member can take changes").Advise("start the members, or recover the cluster; "+fleetPage))
	case etcd.Unanswered(found.Access):
		all = append(all, finding.Warn("etcd_slow", "etcd has not answered in time: %s", status.Convert(found.Access).Message()).
			Advise("run `mdserver doctor` again; if it stays so, check the load of the members and the speed of their disks"))
	case found.Access != nil:
		all = append(all, finding.Fail("etcd_access_denied", "keys in etcd cannot be read: %s", status.Convert(found.Access).Message()).
			Advise("check user, password_file and cert_file in the section [store], and the rights of the user in etcd; "+fleetPage))
	}
	if strange := slices.DeleteFunc(slices.Clone(found.Kinds), isOurs); len(strange) > 0 {
		all = append(all, finding.Fail("etcd_prefix_shared", "another program has keys below the prefix in etcd: %s", strings.Join(strange, ", ")).
			Advise("give mdserver a prefix of its own, the same on all hosts"))
	}
	return finding.Unless(all, finding.Good("%d of %d etcd members can be used", usable, len(found.Members)))
}

// isOurs reports whether mdserver has keys of a kind.
func isOurs(kind string) bool { return slices.Contains(etcdstore.Kinds(), kind) }

func memberFindings(m cluster.Inspected, now time.Time) []finding.Finding {
	var all []finding.Finding
	switch {
	case m.Err != nil:
		return []finding.Finding{finding.Warn("etcd_member_unreachable", "the etcd member %s does not answer: %s", m.Endpoint, status.Convert(m.Err).Message()).
			Advise("start the member, or replace it; " + fleetPage)}
	case !m.Leader:
		all = append(all, finding.Warn("etcd_member_without_leader", "the etcd member %s knows no leader", m.Endpoint).
			Advise("check the connections between the members"))
	}
	for _, alarm := range m.Alarms {
		all = append(all, finding.Fail("etcd_alarm", "the etcd member %s reports %s", m.Endpoint, alarm).
			Advise("for NOSPACE: compact and defragment etcd or raise its quota, then disarm the alarm with etcdctl"))
	}
	if m.Clock.Abs() > clockApart {
		all = append(all, finding.Warn("etcd_clock_differs", "the clock of the etcd member %s differs from this host's by %s", m.Endpoint, m.Clock.Abs()).
			Advise("synchronise the clocks of both hosts"))
	}
	return append(all, expiry("the certificate of the etcd member "+m.Endpoint, m.Expires, now)...)
}

// expiry finds a certificate that must be renewed. A zero end is no certificate.
func expiry(what string, end, now time.Time) []finding.Finding {
	switch {
	case end.IsZero() || end.Sub(now) > expiresSoon:
		return nil
	case end.Before(now):
		return []finding.Finding{finding.Fail("etcd_certificate_expired", "%s expired on %s", what, end.Format(time.DateOnly)).Advise("renew it; " + fleetPage)}
	}
	return []finding.Finding{finding.Warn("etcd_certificate_expires", "%s expires on %s", what, end.Format(time.DateOnly)).Advise("renew it; " + fleetPage)}
}
