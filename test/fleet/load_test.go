//go:build e2e

package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/client"
)

const (
	guestCount = 300
	workers    = 6
	// patience is how long a request may take. On a host that is not stopped itself
	// two seconds are promised; the rest is for a machine that is busy with other tests.
	// The table has the slowest request.
	patience = 10 * time.Second
)

func guestID(guest int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, guest)) }

// names of a guest. Those of two guests derive the same host name.
func guestName(guest, variant int) string {
	return fmt.Sprintf("g%s%d-%d", [...]string{"_", "-"}[guest%2], guest/2, variant)
}

func guestXML(guest int, name string) []byte {
	return fmt.Appendf(nil, `<domain type='kvm'><name>%s</name><uuid>%s</uuid>`+
		`<devices><interface type='network'><source network='mds'/><mac address='52:54:00:00:%02x:%02x'/></interface></devices></domain>`,
		name, guestID(guest), guest/256, guest%256)
}

// load asks all hosts for changes of guests.
type load struct {
	servers []*server
	history *history
	counts  *counts
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// counts is what became of requests.
type counts struct {
	mu                         sync.Mutex
	done, unshared, unanswered int
	slowest                    time.Duration // on a host that was not stopped
}

// startLoad has workers ask until halt. pause is how long each waits between two
// requests.
func startLoad(servers []*server, pause time.Duration) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{servers: servers, history: newHistory(), counts: &counts{}, stop: stop}
	for worker := range workers {
		l.done.Go(func() {
			for ctx.Err() == nil {
				l.ask(worker)
				time.Sleep(pause)
			}
		})
	}
	return l
}

// halt waits for the last answers.
func (l *load) halt() {
	l.stop()
	l.done.Wait()
}

// ask makes a request, most of them on the host where a guest is at home.
func (l *load) ask(worker int) {
	guest := rand.IntN(guestCount)
	host := guest % len(l.servers)
	if rand.IntN(4) == 0 {
		host = rand.IntN(len(l.servers))
	}
	req := request{host: host, name: guestName(guest, 0)}
	switch n := rand.IntN(10); {
	case n < 2:
		req.kind = release
	case n < 4:
		req.name = guestName(guest, n)
	case n < 5:
		req.kind = boot
	case n < 6:
		req.kind = arrive
	case n < 7:
		req.kind = stopped
	}
	s := l.servers[host]
	called, began, stops := l.history.now(), time.Now(), s.stops.Load()
	rep, asked := s.request(guest, req)
	took := time.Since(began)
	if !asked {
		return
	}
	l.history.add(worker, guest, called, req, rep)
	l.counts.add(rep)
	if stops%2 == 0 && s.stops.Load() == stops {
		l.counts.time(took)
	}
}

func (c *counts) add(rep reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !rep.known:
		c.unanswered++
	case rep.unshared:
		c.unshared++
	default:
		c.done++
	}
}

func (c *counts) time(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, took)
}

// hookOperations are what libvirt calls its hook with. A recorded live migration begins
// with migrate on the host that receives the guest; a start with prepare. Both end with
// release, which changes no record but who runs the guest.
var hookOperations = map[kind]string{boot: "prepare", arrive: "migrate"}

// request makes a request. It reports false if that certainly changes nothing.
func (s *server) request(guest int, req request) (rep reply, asked bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if req.kind == release {
		_, err := s.Release(ctx, guestID(guest).String())
		return reply{known: err == nil}, !refused(err)
	}
	if req.kind == stopped {
		err := s.Stopped(ctx, guestXML(guest, req.name), "-")
		return reply{known: err == nil}, true
	}
	if operation := hookOperations[req.kind]; operation != "" {
		err := s.Upload(ctx, guestXML(guest, req.name), operation)
		return reply{known: err == nil, there: true}, true
	}
	answer, err := s.Register(ctx, guestXML(guest, req.name))
	if err != nil {
		return reply{}, !refused(err)
	}
	got := answer.Instance
	return reply{known: true, there: true, addr: got.IPv4.String(), name: got.Name, unshared: unshared(&got)}, true
}

// refused reports whether a request was refused before it changed anything.
func refused(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && (e.Code == api.CodeNotFound || e.Code == api.CodeBusy)
}
