//go:build e2e

package fleet

import (
	"math/rand/v2"
	"time"

	"mdserver/internal/etcd/etcdtest"
)

// fault is something that breaks in a fleet.
type fault struct {
	name string
	// at is where it happens: two at a time happen at different places.
	at place
	// harm makes the fault, and returns what ends it.
	harm func(f *fleet) (heal func())
}

type place int

const (
	atMembers place = iota
	atServers
	everywhere
)

var faults = []fault{
	{"member killed", atMembers, onMember(func(m *etcdtest.Member) func() { m.Kill(); return m.Start })},
	{"leader killed", atMembers, func(f *fleet) func() { m := f.cluster.Leader(); m.Kill(); return m.Start }},
	{"member stopped", atMembers, onMember(func(m *etcdtest.Member) func() { m.Pause(); return m.Resume })},
	{"member cut off", atMembers, onMember(cutMember(true, true))},
	{"nothing reaches a member", atMembers, onMember(cutMember(true, false))},
	{"nothing leaves a member", atMembers, onMember(cutMember(false, true))},
	{"member's disk full", atMembers, onMember(fillMember)},
	{"majority killed", atMembers, onMembers(2, func(m *etcdtest.Member) func() { m.Kill(); return m.Start })},
	{"all members killed", atMembers, onMembers(3, func(m *etcdtest.Member) func() { m.Kill(); return m.Start })},
	{"all members stopped", atMembers, onMembers(3, func(m *etcdtest.Member) func() { m.Pause(); return m.Resume })},
	{"server killed", atServers, onServer(func(s *server) func() { s.kill(); return s.start })},
	{"server killed and started", atServers, onServer(func(s *server) func() { s.restart(s.skew); return func() {} })},
	{"server killed without etcd", everywhere, func(f *fleet) func() {
		heal := onMembers(3, func(m *etcdtest.Member) func() { m.Kill(); return m.Start })(f)
		time.Sleep(time.Second)
		s := f.servers[rand.IntN(len(f.servers))]
		s.restart(s.skew)
		return heal
	}},
	{"server stopped", atServers, onServer(func(s *server) func() { s.pause(); return s.resume })},
	{"host cut off", atServers, onServer(cutServer(true, true))},
	{"nothing reaches a host", atServers, onServer(cutServer(true, false))},
	{"nothing leaves a host", atServers, onServer(cutServer(false, true))},
	{"two hosts cut off", atServers, func(f *fleet) func() {
		var healers []func()
		for _, i := range rand.Perm(len(f.servers))[:2] {
			healers = append(healers, cutServer(true, true)(f.servers[i]))
		}
		return all(healers)
	}},
	{"host's disk full", atServers, onServer(func(s *server) func() { s.fillDisk(); return s.freeDisk })},
	{"clock an hour ahead", atServers, onServer(skewServer(time.Hour))},
	{"clock a day behind", atServers, onServer(skewServer(-24 * time.Hour))},
}

// another returns a fault at another place, or a fault without effect.
func (f fault) another() fault {
	other := faults[rand.IntN(len(faults))]
	if other.at == f.at || other.at == everywhere || f.at == everywhere {
		return fault{name: "", harm: func(*fleet) func() { return func() {} }}
	}
	return other
}

func onMember(harm func(*etcdtest.Member) func()) func(*fleet) func() { return onMembers(1, harm) }

func onMembers(n int, harm func(*etcdtest.Member) func()) func(*fleet) func() {
	return func(f *fleet) func() {
		var healers []func()
		for _, i := range rand.Perm(len(f.cluster.Members))[:n] {
			healers = append(healers, harm(f.cluster.Members[i]))
		}
		return all(healers)
	}
}

func onServer(harm func(*server) func()) func(*fleet) func() {
	return func(f *fleet) func() { return harm(f.servers[rand.IntN(len(f.servers))]) }
}

func all(healers []func()) func() {
	return func() {
		for _, heal := range healers {
			heal()
		}
	}
}

func cutMember(in, out bool) func(*etcdtest.Member) func() {
	return func(m *etcdtest.Member) func() {
		m.Cut(in, out)
		return func() { m.Cut(false, false) }
	}
}

func cutServer(in, out bool) func(*server) func() {
	return func(s *server) func() {
		s.host.Cut(in, out)
		return func() { s.host.Cut(false, false) }
	}
}

// fillMember fills the disk of a member, which may end for that.
func fillMember(m *etcdtest.Member) func() {
	m.FillDisk()
	return func() {
		m.FreeDisk()
		m.Kill()
		m.Start()
	}
}

func skewServer(skew time.Duration) func(*server) func() {
	return func(s *server) func() {
		s.restart(skew)
		return func() { s.restart(0) }
	}
}
