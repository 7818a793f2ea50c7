package hosts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/client"
)

// drained is what a server knows of a host, from some time on.
type drained struct {
	at     time.Duration
	guests string // separated by spaces
	undone bool
	err    error
}

// hostOfGuests is a server that knows of a host what a script says. A query for progress
// returns at the next step of the script, and each step is a revision.
type hostOfGuests struct {
	began  time.Time
	script []drained
	asked  int // for what runs there
}

func (h *hostOfGuests) step() int {
	n := 0
	for n+1 < len(h.script) && h.script[n+1].at <= time.Since(h.began) {
		n++
	}
	return n
}

func (h *hostOfGuests) runsOn() api.RunsOn {
	is := h.script[h.step()]
	now := api.RunsOn{Host: api.Host{ID: "3", Name: "kvm3", Drained: h.began}}
	if is.undone {
		now.Host.Drained = time.Time{}
	}
	for name := range strings.FieldsSeq(is.guests) {
		now.Guests = append(now.Guests, api.HostGuest{Name: name, UUID: uuid.NewSHA1(uuid.Nil, []byte(name))})
	}
	return now
}

func (h *hostOfGuests) RunsOn(_ context.Context, ref string) (api.RunsOn, error) {
	h.asked++
	if ref != "3" {
		return api.RunsOn{}, fmt.Errorf("asked for the host %q", ref)
	}
	return h.runsOn(), h.script[h.step()].err
}

func (h *hostOfGuests) Progress(ctx context.Context, q api.ProgressQuery) (api.Progress, error) {
	if len(q.Refs) != 1 || q.Wait > command.LongPoll {
		return api.Progress{}, fmt.Errorf("asked for %+v", q)
	}
	now, next := h.step(), h.step()+1
	wait := q.Wait
	switch {
	case q.Since == 0 || q.Since < uint64(next):
		wait = 0
	case next < len(h.script):
		wait = min(wait, h.script[next].at-time.Since(h.began))
	}
	select {
	case <-time.After(wait):
		return api.Progress{Revision: uint64(h.step() + 1)}, h.script[now].err
	case <-ctx.Done():
		return api.Progress{}, client.ErrUnreachable // as the client calls it
	}
}

// The wait for a host ends when its last guest has gone, and reads what runs there no more
// often than something changes.
func TestWaitDrained(t *testing.T) {
	refused := errors.New("not allowed")
	for name, tt := range map[string]struct {
		script  []drained
		timeout time.Duration
		want    string // the outcome and the guests that are left, or the error
		took    time.Duration
		asked   int
	}{
		"none runs there": {[]drained{{}}, time.Hour, "reached []", 0, 0},
		"no time":         {[]drained{{guests: "a"}}, 0, "timed out [a]", 0, 0},
		"two go":          {[]drained{{guests: "a b"}, {at: 10 * time.Second, guests: "b"}, {at: 25 * time.Second}}, time.Hour, "reached []", 25 * time.Second, 3},
		"one goes late":   {[]drained{{guests: "a"}, {at: 75 * time.Second}}, time.Hour, "reached []", 75 * time.Second, 4},
		"many go at once": {[]drained{{guests: "a b c"}, {at: time.Second, guests: "b c"}, {at: time.Second + 1, guests: "c"}, {at: time.Second + 2}}, time.Hour,
			"reached []", time.Second + drainPause, 3},
		"one stays":          {[]drained{{guests: "a b"}, {at: time.Second, guests: "b"}}, 40 * time.Second, "timed out [b]", 40 * time.Second, 4},
		"put back":           {[]drained{{guests: "a"}, {at: time.Minute, guests: "a", undone: true}}, time.Hour, "kvm3 was put back into service meanwhile", time.Minute, 3},
		"not known there":    {[]drained{{guests: "a", undone: true}, {at: time.Second, guests: "a"}, {at: 2 * time.Second}}, time.Hour, "reached []", 2 * time.Second, 3},
		"a server restarts":  {[]drained{{guests: "a"}, {at: time.Second, guests: "a", err: client.ErrNotRunning}, {at: 3 * time.Second}}, time.Hour, "reached []", 3*time.Second + 2*drainPause, 3},
		"a server refuses":   {[]drained{{guests: "a"}, {at: time.Second, guests: "a", err: refused}}, time.Hour, refused.Error(), time.Second, 2},
		"it was interrupted": {[]drained{{guests: "a"}}, 24 * time.Hour, context.DeadlineExceeded.Error(), time.Hour, 120},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				cmd := drainCommand()
				cmd.SetContext(ctx)
				h := &hostOfGuests{began: time.Now(), script: tt.script}
				result, err := waitDrained(cmd, h, h.runsOn(), tt.timeout)
				got := fmt.Sprint(result.Outcome, " ", namesOf(result.Guests))
				if err != nil {
					got = err.Error()
				}
				if took := time.Since(h.began); got != tt.want || took != tt.took || h.asked != tt.asked {
					t.Errorf("%s after %s and %d questions, want %s after %s and %d", got, took, h.asked, tt.want, tt.took, tt.asked)
				}
			})
		})
	}
}

func namesOf(guests []api.HostGuest) (names []string) {
	for _, guest := range guests {
		names = append(names, guest.Name)
	}
	return names
}
