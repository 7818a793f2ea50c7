//go:build e2e

package attacks

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// query asks the network's DNS server from the victim, again if there is no
// answer: another test may be flooding it.
func (a *arena) query(m *dns.Msg, network string) (answer *dns.Msg, err error) {
	for range 4 {
		if answer, err = a.queryOnce(m, network); err == nil {
			break
		}
	}
	return answer, err
}

func (a *arena) queryOnce(m *dns.Msg, network string) (*dns.Msg, error) {
	conn, err := a.dialDNS(a.victim, network)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := dns.Client{Net: network, Timeout: 2 * time.Second}
	answer, _, err := c.ExchangeWithConn(m, &dns.Conn{Conn: conn})
	return answer, err
}

func (a *arena) dialDNS(g *guest, network string) (net.Conn, error) {
	var conn net.Conn
	err := g.Do(func() (err error) {
		conn, err = net.DialTimeout(network, lab.Gateway+":53", 2*time.Second)
		return err
	})
	return conn, err
}

// resolve returns the addresses of a name, as the victim finds them.
func (a *arena) resolve(name string) (addrs []netip.Addr, err error) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := a.query(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), "udp")
		if err != nil {
			return nil, err
		}
		for _, rr := range answer.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				addr, _ := netip.AddrFromSlice(rr.A.To4())
				addrs = append(addrs, addr)
			case *dns.AAAA:
				addr, _ := netip.AddrFromSlice(rr.AAAA)
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs, nil
}

// TestResolveRightfulName is the control of tests about names.
func TestResolveRightfulName(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, name := range []string{a.victim.inst.Hostname, a.victim.inst.Hostname + ".example.net"} {
			got, err := a.resolve(name)
			if err != nil || !slices.Contains(got, a.victim.inst.IPv4) || !slices.Contains(got, a.victim.inst.IPv6) {
				t.Errorf("%s is %v (%v), want %s and %s", name, got, err, a.victim.inst.IPv4, a.victim.inst.IPv6)
			}
		}
	})
}

// named registers guests with a name that harms others and checks that DNS
// does not give it to them.
func (a *arena) named(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, d := range []domain{
			{name: name},
			{name: fmt.Sprintf("named-%d", a.guests.Add(1)), metadata: "<m:hostname>" + name + "</m:hostname>"},
		} {
			d.mac = a.newMAC()
			registered, err := a.admin.Register(suite.ctx, []byte(d.XML()))
			var refused *net.OpError
			if errors.As(err, &refused) {
				t.Fatal(err)
			}
			for _, q := range []string{name, strings.ToUpper(name)} {
				got, err := a.resolve(q)
				if err != nil {
					t.Errorf("%s: %v", q, err)
				}
				for _, addr := range got {
					if addr == registered.Instance.IPv4 || addr == registered.Instance.IPv6 {
						t.Errorf("domain %q, metadata %q: %q resolves to it", d.name, d.metadata, q)
					}
				}
			}
			if registered.Created {
				if _, err := a.admin.Release(suite.ctx, registered.Instance.UUID.String()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestTakeNameThatClientsLookFor(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) { a.named(t, "wpad", "isatap", "localhost", "WPAD", "Localhost") })
}

func TestTakeNameOfHost(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		name, err := a.Host.Output(suite.ctx, "hostname")
		if err != nil {
			t.Fatal(err)
		}
		a.named(t, strings.TrimSpace(name))
	})
}

// A domain that is called like a name of somebody else's does not take it.
func TestTakeDottedNameOfOthers(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, name := range []string{"www.example.com", "deb.debian.org", "security.debian.org.", "example.net.evil.com", "wpad.example.net", "metadata.google.internal"} {
			d := domain{name: name, mac: a.newMAC()}
			registered, err := a.admin.Register(suite.ctx, []byte(d.XML()))
			if err != nil {
				continue // refused is as good
			}
			got, err := a.resolve(name)
			if err != nil || slices.Contains(got, registered.Instance.IPv4) {
				t.Errorf("%s resolves to a guest: %v (%v)", name, got, err)
			}
			if _, err := a.admin.Release(suite.ctx, registered.Instance.UUID.String()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTakeNameOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		name := a.victim.inst.Hostname
		for _, d := range []domain{
			{name: "thief", metadata: "<m:hostname>" + name + "</m:hostname>"},
			{name: "thief", metadata: "<m:hostname>" + strings.ToUpper(name) + "</m:hostname>"},
			{name: strings.ToUpper(name)}, {name: name + "."}, {name: name + ".example.net"}, {name: name + " "},
		} {
			d.mac = a.newMAC()
			registered, err := a.admin.Register(suite.ctx, []byte(d.XML()))
			got, resolveErr := a.resolve(name)
			if resolveErr != nil || !slices.Contains(got, a.victim.inst.IPv4) {
				t.Errorf("domain %q, metadata %q: %s is %v (%v), want the victim's %s", d.name, d.metadata, name, got, resolveErr, a.victim.inst.IPv4)
			}
			if err == nil {
				if _, err := a.admin.Release(suite.ctx, registered.Instance.UUID.String()); err != nil {
					t.Error(err)
				}
			}
		}
		a.served(t)
	})
}

func TestUpdateDNSDynamically(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		m := new(dns.Msg).SetUpdate("example.net.")
		m.Insert([]dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "forged.example.net.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: a.attacker.inst.IPv4.AsSlice()}})
		if answer, err := a.query(m, "udp"); err == nil && answer.Rcode == dns.RcodeSuccess {
			t.Errorf("the update is accepted: %v", answer)
		}
		a.unresolved(t, "forged")
	})
}

func TestTransferZone(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, zone := range []string{"example.net.", ".", "122.10.in-addr.arpa."} {
			answer, err := a.query(new(dns.Msg).SetAxfr(zone), "tcp")
			if err == nil && len(answer.Answer) > 0 {
				t.Errorf("%s is handed out: %v", zone, answer)
			}
		}
	})
}

// A name of outside resolves to an address of ours.
func TestRebindNameToOwnAddress(t *testing.T) {
	alone(t, func(l *lab.Lab, _ lab.Config) { upstream(l) }, func(t *testing.T, a *arena) { a.rebinds(t, 0, ours) })
}

// A name of outside resolves to some other address that is none of the outside.
func TestRebindNameToPrivateAddress(t *testing.T) {
	alone(t, func(l *lab.Lab, c lab.Config) {
		upstream(l)
		c.Set("dnsmasq", "stop_rebind", "private")
	}, func(t *testing.T, a *arena) { a.rebinds(t, 0, len(rebound)) })
}

// rebinds checks that the victim is not given some of the addresses.
func (a *arena) rebinds(t *testing.T, first, end int) {
	t.Helper()
	eventually(t, "a name of outside resolves", func() error { // the control
		got, err := a.resolve("public.evil.test")
		if err == nil && !slices.Contains(got, outsider) {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	})
	for i := first; i < end; i++ {
		name := fmt.Sprintf("r%d.evil.test", i)
		if got, err := a.resolve(name); err == nil && slices.Contains(got, rebound[i]) {
			t.Errorf("%s resolves to %s", name, rebound[i])
		}
	}
}

// outsider is an address that names of outside may have.
var outsider = parse("9.9.9.9")

// rebound are addresses that no name of outside has a good reason to have: first
// those of the host and its guests.
var rebound = []netip.Addr{
	parse(lab.MetadataAddr), parse(lab.Gateway), parse("10.122.0.50"), parse(lab.MetadataAddr6), parse(lab.Gateway6), parse(lab.MetadataLinkLocal), parse("::ffff:169.254.169.254"),
	parse("192.168.1.1"), parse("172.16.0.1"), parse("fd12:3456::1"), parse("::ffff:192.168.1.1"),
}

const ours = 7

// upstream runs a DNS server in the host's namespace that knows rebound.
func upstream(l *lab.Lab) {
	const addr = "127.0.0.99"
	_ = l.Host.Do(func() error {
		pc, err := net.ListenPacket("udp", addr+":53")
		if err != nil {
			return err
		}
		server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(answerRebound)}
		go func() { _ = server.ActivateAndServe() }() // ends with the lab's socket
		l.OnClose(server.Shutdown)
		return nil
	})
	_ = l.Host.SetResolver(addr)
}

func answerRebound(w dns.ResponseWriter, q *dns.Msg) {
	answer := new(dns.Msg).SetReply(q)
	name, kind := q.Question[0].Name, q.Question[0].Qtype
	addr := outsider
	var i int
	if n, _ := fmt.Sscanf(name, "r%d.evil.test.", &i); n == 1 && i < len(rebound) {
		addr = rebound[i]
	}
	header := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 1}
	switch {
	case kind == dns.TypeA && addr.Is4():
		answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: addr.AsSlice()})
	case kind == dns.TypeAAAA && addr.Is6():
		answer.Answer = append(answer.Answer, &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()})
	}
	_ = w.WriteMsg(answer)
}

// Questions in the victim's name, so that the answers flood it.
func TestReflectDNSAnswersToVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		question, err := new(dns.Msg).SetQuestion("reflected-mark.example.net.", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.victim.inst.IPv4, Dst: parse(lab.Gateway)}
		a.crosses(t, a.victim.link(t), "an answer to a question in the victim's name", p.UDP(5353, 53, question), "reflected-mark")
	})
}
