package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/libvirt/network/entries"
)

// What is leased to others does not have mdserver's own entries.
func TestViewOf(t *testing.T) {
	s := New(Settings{Name: "lan"}, notes{}, nil, nil)
	s.ours = []entries.Entry{guest(4, "mail"), guest(5, "web")}
	d := entries.Definition{Hosts: []entries.DHCPHost{
		{MAC: mac(4), IP: ip(4), Name: "mail"}, {MAC: mac(5), IP: ip(5), Name: "web"}, {MAC: mac(5), IP: ip(6)}, {MAC: mac(7), IP: ip(5)}, {MAC: mac(8)}, {MAC: mac(9), IP: ip(9), Name: "nas"},
	}}
	got := s.viewOf(state{active: true, live: d}).Leased
	if want := map[netip.Addr]instance.MAC{ip(6): mac(5), ip(5): mac(7), ip(9): mac(9)}; !reflect.DeepEqual(got, want) {
		t.Errorf("leased: %v, want %v", got, want)
	}
}

// What libvirt does not answer is an error of each call, and the guests follow as
// soon as it does, by the service's own looks.
func TestFailedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{})
		server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
		web := machine(2, "web")
		for name, call := range map[string]func() error{
			"Apply":       func() error { return s.Apply(t.Context(), []instance.Event{{New: &web}}) },
			"Reconfigure": func() error { return s.Reconfigure(t.Context(), s.set(), []instance.Instance{web}) },
			"Retire":      func() error { return s.Retire(t.Context()) },
		} {
			if err := call(); err == nil || err.Error() != "libvirt's network lan: refused by the test" {
				t.Errorf("%s: %v", name, err)
			}
			if !s.silent() || s.Status().LastError != "libvirt's network lan: refused by the test" {
				t.Errorf("%s: %+v", name, s.Status())
			}
		}
		got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket, Dialer: server}, "lan", noteOf(t, guest(5, "web")))
		if len(got.Problems) != 1 || len(got.Commands) != 2 {
			t.Errorf("%+v", got)
		}
		s.setGuests([]instance.Instance{web})
		server.Refuse(libvirttest.NetworkGetXML, 0)
		s.must(t, s.bring(t.Context(), callTime))
		s.holds(t, entriesOf("2", "web"))
		if s.silent() || s.Status().LastError != "" {
			t.Errorf("%+v", s.Status())
		}
		s.must(t, s.Close())
		synctest.Wait()
		if n := server.Connections(); n != 0 {
			t.Errorf("%d connections are open after Close", n)
		}
	})
}

// A service looks again every five seconds, and every second while libvirt does not
// answer.
func TestLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{})
		looks := func(after time.Duration, want int) {
			t.Helper()
			before := server.Calls(libvirttest.NetworkLookup)
			time.Sleep(after)
			synctest.Wait()
			if got := server.Calls(libvirttest.NetworkLookup) - before; got != want {
				t.Errorf("%d looks within %v, want %d", got, after, want)
			}
		}
		looks(period-1, 0)
		looks(1, 1)
		looks(3*period, 3)
		server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
		looks(period, 1)
		looks(retryTime-1, 0)
		looks(1, 1)
		looks(2*retryTime, 2)
		server.Refuse(libvirttest.NetworkGetXML, 0)
		looks(retryTime, 1)
		looks(period, 1)
		if n := server.Calls(libvirttest.AuthList); n != 1 {
			t.Errorf("%d connections were made", n)
		}
		start := time.Now()
		s.must(t, s.Close())
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		looks(2*period, 0)
	})
}

// A service that may not connect tries again every minute: libvirtd logs each time. One
// that libvirt refuses for another reason tries again every second.
func TestDenied(t *testing.T) {
	for name, tt := range map[string]struct {
		refusal golibvirt.ErrorNumber
		every   time.Duration
	}{
		"polkit has nobody to ask":  {golibvirt.ErrAuthUnavailable, time.Minute},
		"polkit says no":            {golibvirt.ErrAuthFailed, time.Minute},
		"a question is cancelled":   {golibvirt.ErrAuthCancelled, time.Minute},
		"the driver says no":        {golibvirt.ErrAccessDenied, time.Minute},
		"libvirtd is just starting": {golibvirt.ErrNoConnect, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				server.Refuse(libvirttest.ConnectOpen, tt.refusal)
				s := serve(t, server, notes{}, machine(2, "web"))
				synctest.Wait()
				before := server.Calls(libvirttest.ConnectOpen)
				time.Sleep(3*tt.every - 1)
				synctest.Wait()
				if n := server.Calls(libvirttest.ConnectOpen) - before; n != 2 {
					t.Errorf("%d connections were tried, want 2", n)
				}
				server.Refuse(libvirttest.ConnectOpen, 0)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				s.holds(t, entriesOf("2", "web"))
			})
		})
	}
}

// A service that could not begin does so by itself.
func TestLateStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
		s := serve(t, server, notes{}, machine(2, "web"))
		if !strings.Contains(s.log.String(), "does not serve the guests yet") {
			t.Errorf("logged %q", s.log)
		}
		server.Refuse(libvirttest.NetworkGetXML, 0)
		time.Sleep(retryTime)
		synctest.Wait()
		s.holds(t, entriesOf("2", "web"))
	})
}

// An error of any call is one of the look. It changes nothing.
func TestEachCallMayFail(t *testing.T) {
	for call, name := range map[libvirttest.Procedure]string{
		libvirttest.NetworkLookup: "looking up", libvirttest.NetworkActive: "active", libvirttest.NetworkPersistent: "persistent",
		libvirttest.NetworkGetXML: "XML", libvirttest.NetworkLeases: "leases",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				server.Refuse(call, golibvirt.ErrOperationFailed)
				s := serve(t, server, notes{}, machine(2, "web"))
				if st := s.Status(); !st.Connected || st.Active || st.LastError != "libvirt's network lan: refused by the test" {
					t.Errorf("%+v", st)
				}
				if server.Calls(libvirttest.NetworkUpdate) != 0 || !reflect.DeepEqual(s.View(), View{}) {
					t.Errorf("%d updates, %+v", server.Calls(libvirttest.NetworkUpdate), s.View())
				}
			})
		})
	}
}

// A stored definition that cannot be read is an error, too.
func TestInactiveNetworkThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		n := server.Network("lan")
		n.Active, n.XML = false, "<network"
		server.SetNetwork(n)
		s := serve(t, server, notes{})
		if st := s.Status(); !strings.HasPrefix(st.LastError, "libvirt's network lan: the network's definition: ") {
			t.Errorf("%+v", st)
		}
	})
}

// A connection that ends during an update is an error, and the next look makes up
// for it. The entries are noted as mdserver's before.
func TestEndDuringUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{})
		server.Break(libvirttest.NetworkUpdate, true)
		web := machine(2, "web")
		err := s.Apply(t.Context(), []instance.Event{{New: &web}})
		if err == nil || !strings.HasPrefix(err.Error(), `updating libvirt's network lan with <host mac="52:54:00:51:00:02" name="web"`) {
			t.Errorf("%v", err)
		}
		if note := s.notes["libvirt_network/lan"]; !strings.Contains(note, "198.51.100.2") {
			t.Errorf("noted: %s", note)
		}
		endpoint := s.set().Endpoint
		if w := Withdraw(t.Context(), endpoint, "lan", noteOf(t, entries.Entry{MAC: mac(0x99), IP: lanIP(99)})); len(w.Problems) != 1 || w.Removed != 0 || len(w.Commands) != 1 {
			t.Errorf("%+v", w)
		}
		server.Break(libvirttest.NetworkUpdate, false)
		time.Sleep(period)
		synctest.Wait()
		s.holds(t, entriesOf("2", "web"))
	})
}

// Entries that could not be removed are still noted as mdserver's, also for the server
// that starts next.
func TestEndDuringRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{}, machine(2, "web"))
		web := machine(2, "web")
		server.Break(libvirttest.NetworkUpdate, true)
		if err := s.Apply(t.Context(), []instance.Event{{Old: &web}}); err == nil {
			t.Error("removed what libvirt did not remove")
		}
		s.must(t, s.Close())
		if note := s.notes["libvirt_network/lan"]; !strings.Contains(note, "198.51.100.2") {
			t.Errorf("noted: %s", note)
		}
		server.Break(libvirttest.NetworkUpdate, false)
		serve(t, server, s.notes).holds(t)
	})
}

// dutiful are notes that are not written once the context has ended.
type dutiful struct{ notes }

func (d dutiful) SetNote(ctx context.Context, key, text string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.notes.SetNote(ctx, key, text)
}

// A view that is published once is noted, even if the caller no longer waits.
func TestViewIsNotedInAnyCase(t *testing.T) {
	kept := dutiful{notes{}}
	s := New(Settings{Name: "lan"}, kept, make(chan struct{}, 1), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.publish(ctx, View{Active: true, Bridge: "virbr7"})
	if note := kept.notes["libvirt_view/lan"]; !strings.Contains(note, "virbr7") {
		t.Errorf("noted: %q", note)
	}
}

// The leases of guests that are gone end. One that cannot be ended is in the log.
func TestLeasesOfGuests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		n := server.Network("lan")
		n.Leases = []libvirttest.Lease{{MAC: mac(2).String(), IP: "198.51.100.2"}, {MAC: mac(0x55).String(), IP: "198.51.100.55"}}
		server.SetNetwork(n)
		s := serve(t, server, notes{}, machine(2, "web"))
		var released []string
		s.release = func(_ context.Context, server netip.Addr, mac instance.MAC, addr netip.Addr) error {
			released = append(released, fmt.Sprint(server, " ", mac, " ", addr))
			return errors.New("no route")
		}
		s.must(t, s.bring(t.Context(), callTime))
		if len(released) != 0 {
			t.Errorf("released %q of a guest", released)
		}
		s.must(t, s.Retire(t.Context()))
		if want := []string{"198.51.100.1 52:54:00:51:00:02 198.51.100.2"}; !slices.Equal(released, want) {
			t.Errorf("released %q, want %q", released, want)
		}
		if text := s.log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "no route") {
			t.Errorf("logged %q", text)
		}
	})
}

// As many guests as a network has leases are no problem, and a network without a
// range has no limit.
func TestLimitOfLeases(t *testing.T) {
	var eight []instance.Instance
	for n := byte(2); n < 10; n++ {
		eight = append(eight, machine(n, fmt.Sprint("web", n)))
	}
	for name, tt := range map[string]struct {
		rangeXML string
		guests   []instance.Instance
		leases   int
	}{
		"as many as leases": {"<range start='198.51.100.2' end='198.51.100.9'/>", eight, 8},
		"no range":          {"", eight, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				n := server.Network("lan")
				n.XML = strings.Replace(n.XML, "<range start='198.51.100.2' end='198.51.100.9'/>", tt.rangeXML, 1)
				server.SetNetwork(n)
				s := serve(t, server, notes{}, tt.guests...)
				if st := s.Status(); st.LastError != "" || st.Entries != 8 || st.Leases != tt.leases {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A problem is in the log once, until it is over and comes again. An error hides it
// in the status.
func TestProblemsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		nas, web := machine(99, "nas"), machine(2, "web")
		s := serve(t, server, notes{}, nas)
		conflict := "52:54:00:51:00:63 cannot get 198.51.100.99: the network has another entry for 52:54:00:51:00:99, 198.51.100.99"
		logged := func(want int) {
			t.Helper()
			if got := strings.Count(s.log.String(), "in conflict with a guest"); got != want {
				t.Errorf("logged %d times, want %d: %s", got, want, s.log)
			}
		}
		logged(1)
		s.must(t, s.bring(t.Context(), callTime))
		logged(1)
		if got := s.Status().LastError; got != conflict {
			t.Errorf("%q", got)
		}
		server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
		_ = s.bring(t.Context(), callTime)
		if got := s.Status().LastError; got != "libvirt's network lan: refused by the test" {
			t.Errorf("%q", got)
		}
		server.Refuse(libvirttest.NetworkGetXML, 0)
		s.must(t, s.Apply(t.Context(), []instance.Event{{Old: &nas}, {New: &web}}))
		logged(1)
		s.must(t, s.Apply(t.Context(), []instance.Event{{Old: &web}, {New: &nas}}))
		logged(2)
	})
}

// The running network and its configuration may have different entries of others.
func TestForeignEntriesOfOneSide(t *testing.T) {
	const other = `<host mac="52:54:00:51:00:02" ip="198.51.100.44"></host>`
	for name, tt := range map[string]struct{ live, config []string }{"running": {[]string{other}, nil}, "stored": {nil, []string{other}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				n := server.Network("lan")
				n.Live, n.Config = tt.live, tt.config
				server.SetNetwork(n)
				s := serve(t, server, notes{}, machine(2, "web"))
				n = server.Network("lan")
				for side, got := range map[string][]string{"running": n.Live, "stored": n.Config} {
					want := entriesOf("2", "web")
					if side == name {
						want = []string{other, want[1]}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: %q, want %q", side, got, want)
					}
				}
				if leased := s.View().Leased[lanIP(44)] == mac(2); leased != (name == "running") {
					t.Errorf("leased: %v", s.View().Leased)
				}
			})
		})
	}
}

// A guest that has no address on the network yet has no entry, and a change of it
// needs no call. The others are in the order of their addresses.
func TestWantedOrder(t *testing.T) {
	s := New(Settings{Name: "lan", EntryOrder: []string{"base"}}, nil, nil, nil)
	var all []instance.Instance
	for n := byte(9); n > 0; n-- {
		all = append(all, machine(n, fmt.Sprint("web", n)))
	}
	without := machine(20, "without")
	without.IPv4 = netip.Addr{}
	s.setGuests(append(all, without))
	var got []string
	for _, e := range s.wanted() {
		got = append(got, e.Name)
	}
	if want := strings.Fields("web1 web2 web3 web4 web5 web6 web7 web8 web9"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Each connection is closed before the next one.
func TestOneConnectionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newServer(t), newServer(t)
		s := serve(t, first, notes{})
		settings := s.set()
		settings.Endpoint.Dialer = second
		s.must(t, s.Reconfigure(t.Context(), settings, nil))
		synctest.Wait()
		if first.Connections() != 0 || second.Connections() != 1 {
			t.Errorf("%d and %d connections", first.Connections(), second.Connections())
		}
		second.HangUp()
		synctest.Wait()
		settings.Endpoint.Dialer = refusing{}
		if err := s.Reconfigure(t.Context(), settings, nil); err == nil || err.Error() != "connecting to libvirt: no such socket" {
			t.Errorf("%v", err)
		}
		if st := s.Status(); st.Connected || !st.Active {
			t.Errorf("%+v", st)
		}
		if s.Refresh(t.Context()) {
			t.Error("the network is another one without a connection")
		}
	})
}

// refusing has no libvirt.
type refusing struct{}

func (refusing) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no such socket")
}
