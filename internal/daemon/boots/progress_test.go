package boots

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/timeline"
)

// running runs a History until the function that it returns is called.
func running(t *testing.T, h *History) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { h.Run(ctx) })
	return func() {
		cancel()
		keeping.Wait()
	}
}

// TestProgressWaits checks how long a query waits, and what ends it.
func TestProgressWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refs   []string
		wait   time.Duration
		change func(h house) // after a minute
		want   time.Duration
	}{
		{"nothing happens", []string{"web"}, time.Hour, func(house) {}, time.Hour},
		{"a shorter time", []string{"web"}, time.Second, func(house) {}, time.Second},
		{"the guest reports", []string{"web"}, time.Hour, func(h house) { h.status(api.ResultSuccess) }, time.Minute},
		{"another guest reports", []string{"db"}, time.Hour, func(h house) { h.status(api.ResultSuccess) }, time.Hour},
		{"another reports than one that is not there", []string{"nobody"}, time.Hour, func(h house) { h.status(api.ResultSuccess) }, time.Hour},
		{"the guest comes", []string{"new"}, time.Hour, func(h house) {
			h.lab.MustRegister(inventorytest.Domain(3, "new"))
			h.Record.Wake()
		}, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, began := newHouse(t), time.Now()
				h.NoteRegistered(h.web, instance.ByHook)
				since := h.Record.Revision()
				time.AfterFunc(time.Minute, func() { tt.change(h) })
				p := h.Progress(t.Context(), api.ProgressQuery{Since: since, Refs: tt.refs, Wait: tt.wait})
				if took := time.Since(began); took != tt.want {
					t.Errorf("it waited %v, want %v", took, tt.want)
				}
				if p.Revision != h.Record.Revision() || len(p.Guests) != 1 || p.Guests[0].Ref != tt.refs[0] {
					t.Errorf("progress %+v, want the revision %d", p, h.Record.Revision())
				}
				if is := p.Guests[0].Guest != nil; is != (tt.refs[0] != "nobody") {
					t.Errorf("the guest is there: %v", is)
				}
				time.Sleep(time.Hour) // the change is over
			})
		})
	}
}

// TestProgressFromTheBeginning checks that a first query does not wait, even if nothing has
// happened yet.
func TestProgressFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := newHouse(t), time.Now()
		p := h.Progress(t.Context(), api.ProgressQuery{Wait: time.Hour})
		if took := time.Since(began); took != 0 || p.Guests == nil { // for JSON
			t.Errorf("after %v, it is %+v", took, p)
		}
	})
}

// TestProgressAfterRestart checks that the first query gets all entries of a boot, not only
// those that its verdict depends on.
func TestProgressAfterRestart(t *testing.T) {
	lab, dir := inventorytest.New(t), t.TempDir()
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	h := Open(options(t, lab, dir))
	h.NoteRegistered(&web.Instance, instance.ByHook)
	h.Record.Request(web.Instance.UUID, timeline.Request{At: time.Now(), Method: "GET", Path: "/latest/meta-data/", Status: 200})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	h.Run(ended) // writes what there is
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = Open(options(t, lab, dir))
	defer h.Close()
	if p := h.Progress(t.Context(), api.ProgressQuery{}); len(p.Guests) != 1 || len(p.Guests[0].Boot.Entries) != 2 {
		t.Errorf("progress %+v", p)
	}
}

// sshd answers a guest's attempts in turn, with an error for each empty text. It counts those
// at each address.
type sshd struct {
	answers map[netip.Addr][]string
	mu      sync.Mutex
	tried   map[netip.Addr]int
	at      []time.Time // of the answers
}

func (s *sshd) banner(_ context.Context, addrs []netip.Addr) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tried[addrs[0]]
	s.tried[addrs[0]]++
	if all := s.answers[addrs[0]]; n < len(all) && all[n] != "" {
		s.at = append(s.at, time.Now())
		return all[n], nil
	}
	return "", errors.New("connection refused")
}

// TestProgressBySSH checks that the ssh ports of guests are tried while someone waits who
// wants that, until they answer in this boot.
func TestProgressBySSH(t *testing.T) {
	const banner = "SSH-2.0-OpenSSH_9.2"
	answers := []string{"", "", banner}
	for _, tt := range []struct {
		name    string
		query   api.ProgressQuery
		do      func(h house)
		answers []string
		tried   int // how often
		took    time.Duration
		detail  string // of the entry for ssh; "": there is none
	}{
		{"it answers at the third attempt", api.ProgressQuery{SSH: true, Refs: []string{"web"}}, func(house) {}, answers, 3, 2 * time.Second, banner},
		{"beside one that is not there", api.ProgressQuery{SSH: true, Refs: []string{"nobody", "web"}}, func(house) {}, answers, 3, 2 * time.Second, banner},
		{"nobody wants that", api.ProgressQuery{Refs: []string{"web"}}, func(house) {}, answers, 0, 10 * time.Second, ""},
		{"it does not answer", api.ProgressQuery{SSH: true, Refs: []string{"web"}}, func(house) {}, nil, 10, 10 * time.Second, ""},
		{"it has answered in this boot", api.ProgressQuery{SSH: true, Refs: []string{"web"}}, answered, answers, 0, 10 * time.Second, "before"},
		{"it has answered in an earlier boot", api.ProgressQuery{SSH: true, Refs: []string{"web"}}, func(h house) {
			answered(h)
			h.happened(api.EntryRebooted, "")
		}, answers, 3, 2 * time.Second, banner},
		{"it has answered before it stopped", api.ProgressQuery{SSH: true, Refs: []string{"web"}}, func(h house) {
			answered(h)
			h.happened(api.EntryStopped, "shut down")
		}, answers, 3, 2 * time.Second, banner},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				s := &sshd{answers: map[netip.Addr][]string{h.web.IPv4: tt.answers}, tried: map[netip.Addr]int{}}
				h.banner = s.banner
				h.NoteRegistered(h.web, instance.ByHook)
				tt.do(h)
				tt.query.Since, tt.query.Wait = h.Record.Revision(), 10*time.Second-time.Millisecond
				began := time.Now()
				h.Progress(t.Context(), tt.query)
				if took := time.Since(began); took.Round(time.Second) != tt.took {
					t.Errorf("it waited %v, want %v", took, tt.took)
				}
				time.Sleep(time.Minute) // nothing goes on
				if n := s.tried[h.web.IPv4]; n != tt.tried || len(s.tried) > 1 {
					t.Errorf("tried %v, want web %d times", s.tried, tt.tried)
				}
				detail := ""
				for _, e := range h.Present(h.web).Entries {
					if e.Kind == api.EntrySSH {
						detail = e.Detail
						if e.Source != api.FromServer {
							t.Errorf("entry %+v", e)
						}
					}
				}
				if detail != tt.detail {
					t.Errorf("the boot has %q, want %q", detail, tt.detail)
				}
			})
		})
	}
}

func answered(h house) {
	h.Record.Note(h.web.UUID, api.BootEntry{Kind: api.EntrySSH, Source: api.FromServer, Detail: "before"})
}

// TestSSHAtOnce checks that a limited number of guests is tried at a time, each of them, and
// that the end of the query waits for all.
func TestSSHAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var mu sync.Mutex
		trying, most, tried := 0, 0, map[netip.Addr]bool{}
		h.banner = func(ctx context.Context, addrs []netip.Addr) (string, error) {
			mu.Lock()
			trying++
			most = max(most, trying)
			tried[addrs[0]] = true
			mu.Unlock()
			time.Sleep(sshTime)
			mu.Lock()
			trying--
			mu.Unlock()
			return "", errors.New("no answer")
		}
		var guests []*instance.Instance
		for i := range 3 * sshAtOnce {
			guest := *h.web
			guest.UUID, guest.IPv4 = inventorytest.UID(100+i), netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
			guests = append(guests, &guest)
		}
		wait := h.trySSH(t.Context(), guests)
		time.Sleep(4*sshTime + sshTime/2)
		wait()
		if trying != 0 || most != sshAtOnce || len(tried) != len(guests) {
			t.Errorf("%d are tried after the end, %d were at a time, and %d of %d at all", trying, most, len(tried), len(guests))
		}
	})
}

// TestNamed checks that Progress of guests that are named keeps their order.
func TestNamed(t *testing.T) {
	h := newHouse(t)
	var names []string
	for _, one := range h.Progress(t.Context(), api.ProgressQuery{Refs: []string{"web", "nobody", "db"}}).Guests {
		names = append(names, one.Ref)
	}
	if want := []string{"web", "nobody", "db"}; !slices.Equal(names, want) {
		t.Errorf("the guests are %q, want %q", names, want)
	}
}
