//go:build e2e

package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"mdserver/internal/instance"
)

// kind is what a request is for.
type kind int

const (
	start   kind = iota // a guest is registered, maybe on another host or under another name
	boot                // libvirt's hook says that a guest starts on a host
	arrive              // libvirt's hook says that a host receives a guest from another one
	stopped             // libvirt's hook says that a guest has stopped on a host, or has left it
	release             // a guest is removed
	read                // what all hosts agree on at the end of a round
)

// request is the input of an operation.
type request struct {
	kind kind
	host int // that was asked
	name string
}

// reply is the output of an operation.
type reply struct {
	known    bool // whether the request was done; if not, it may be done or not
	there    bool
	addr     string
	name     string
	unshared bool // so far only the host that was asked knows of it
}

// none is the address of a guest that has none.
const none = "invalid IP"

// state is how one guest is.
type state struct {
	there bool
	name  string
	addr  string // "" if it is not known
	by    int    // 1 + the host that has made it so; 0: not known
	local [hostCount]local
}

// local is what a host has answered while it was cut off, and has not shared yet.
type local struct {
	there bool
	name  string
	addr  string // "" if it is not known
}

// states are those in which a guest can be.
type states map[state]bool

// step gives the states in which a request can leave a guest, given its reply. There is
// none if the reply is wrong. Hosts may share what is local at any time before it.
func (all states) step(req request, rep reply) states {
	after := states{}
	for s := range all {
		for _, shared := range s.sharing() {
			for _, next := range shared.steps(req, rep) {
				after[next] = true
			}
		}
	}
	return after
}

// sharing are the states to which hosts can lead by sharing what is local. If others
// have changed the guest meanwhile, it may stay as it is, or keep its address.
func (s state) sharing() []state {
	all := []state{s}
	for host, l := range s.local {
		if !l.there {
			continue
		}
		for _, before := range all {
			before.local[host] = local{}
			moved := before
			moved.there, moved.name, moved.by = true, l.name, host+1
			readdressed := moved
			readdressed.addr = l.addr
			renamed := readdressed
			renamed.name = cmp.Or(before.name, l.name)
			all = append(all, before, readdressed, renamed)
			if before.there {
				all = append(all, moved)
			}
		}
	}
	return all
}

func (s state) steps(req request, rep reply) []state {
	shared, cutOff := s, s
	shared.by, shared.local[req.host] = req.host+1, local{} // a host shares all before its next change
	switch {
	case req.kind == read:
		return s.reads(rep)
	case req.kind == stopped: // concerns only which host runs the guest
		return []state{s}
	case req.kind == release:
		shared.there, shared.name, shared.addr = false, "", ""
		if rep.known {
			return []state{shared}
		}
		return []state{s, shared}
	case !rep.known, req.kind != start: // the hook is not told what the guest has
		if !s.there {
			shared.addr = ""
		}
		shared.there, shared.name = true, req.name
		cutOff.local[req.host] = local{true, req.name, ""}
		if rep.known {
			return []state{shared, cutOff}
		}
		return []state{s, shared, cutOff}
	case rep.unshared:
		own := s.local[req.host]
		if own.there && !keeps(own.addr, rep.addr) || !own.there && s.there && s.by == req.host+1 && !keeps(s.addr, rep.addr) {
			return nil
		}
		cutOff.local[req.host] = local{true, req.name, rep.addr}
		return []state{cutOff}
	}
	if s.local[req.host].there || s.there && !keeps(s.addr, rep.addr) {
		return nil
	}
	shared.there, shared.name, shared.addr = true, req.name, rep.addr
	return []state{shared}
}

// keeps reports whether a guest with one address may have the other one later.
func keeps(before, after string) bool { return before == "" || before == none || before == after }

// reads checks what all hosts have of the guest at last, when nothing is local.
func (s state) reads(rep reply) []state {
	if s.local != [hostCount]local{} || rep.there != s.there || rep.there && (rep.name != s.name || !keeps(s.addr, rep.addr)) {
		return nil
	}
	return []state{{there: rep.there, name: rep.name, addr: rep.addr}}
}

// history is what was asked and answered of all guests in one round.
type history struct {
	begin time.Time

	mu  sync.Mutex
	ops map[int][]porcupine.Operation // by guest
}

func newHistory() *history {
	return &history{begin: time.Now(), ops: map[int][]porcupine.Operation{}}
}

func (h *history) now() int64 { return int64(time.Since(h.begin)) }

// add adds an operation. One with an unknown outcome may happen until the end of the
// round.
func (h *history) add(worker, guest int, called int64, req request, rep reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op := porcupine.Operation{ClientId: worker, Input: req, Output: rep, Call: called, Return: h.now()}
	h.ops[guest] = append(h.ops[guest], op)
}

// checkTime bounds the check of one guest's history. If most answers are missing, there
// are too many orders.
const checkTime = 5 * time.Second

// check checks the history against what was before the round, and what all hosts
// agree on after it.
func (h *history) check(t testing.TB, before, after map[int]state) {
	t.Helper()
	end, unchecked := h.now(), 0
	for guest, ops := range h.ops {
		for i, op := range ops {
			if !op.Output.(reply).known {
				ops[i].Return = end
			}
		}
		now := after[guest]
		ops = append(ops, porcupine.Operation{Input: request{kind: read}, Call: end + 1, Return: end + 2,
			Output: reply{known: true, there: now.there, addr: now.addr, name: now.name}})
		model := porcupine.Model{
			Init: func() any { return states{before[guest]: true} },
			Step: func(all, input, output any) (bool, any) {
				after := all.(states).step(input.(request), output.(reply))
				return len(after) > 0, after
			},
			Equal: func(a, b any) bool { return maps.Equal(a.(states), b.(states)) },
		}
		switch porcupine.CheckOperationsTimeout(model, ops, checkTime) {
		case porcupine.Illegal:
			t.Errorf("guest %d: what was answered cannot have happened in any order, from %+v to %+v:\n%s", guest, before[guest], now, describe(ops))
		case porcupine.Unknown:
			unchecked++
		}
	}
	if unchecked > guestCount/20 {
		t.Errorf("the histories of %d guests took too long to check", unchecked)
	}
	for guest, now := range after { // guests that nothing was asked of
		if len(h.ops[guest]) == 0 && now != before[guest] {
			t.Errorf("guest %d has changed by itself: %+v, then %+v", guest, before[guest], now)
		}
	}
}

func describe(ops []porcupine.Operation) (text string) {
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, op := range ops {
		text += fmt.Sprintf("  %v–%v %+v: %+v\n", time.Duration(op.Call), time.Duration(op.Return), op.Input, op.Output)
	}
	return text
}

// stateOf is what a record says.
func stateOf(guest *instance.Instance) state {
	return state{there: true, name: guest.Name, addr: guest.IPv4.String()}
}

// unshared reports whether only this host knows of the guest.
func unshared(guest *instance.Instance) bool { return guest.Unshared }
