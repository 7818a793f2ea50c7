package boots

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// guestIn is how a guest is, in a boot with a state.
func guestIn(name string, state api.BootState) api.GuestProgress {
	return api.GuestProgress{Ref: name, Guest: &api.Guest{Instance: instance.Instance{Name: name}, State: api.Running},
		Boot: &api.Boot{Number: 3, Verdict: api.Verdict{State: state, Phase: "lease"}}}
}

// reply is what the server answers to one query, and when.
type reply struct {
	after  time.Duration
	guests []api.GuestProgress
	err    error
}

// A wait asks again, from the revision that it knows, until no guest is open, the time is
// over or the server will not answer.
func TestWait(t *testing.T) {
	web1, web2 := guestIn("web1", api.Booting), guestIn("web2", api.Booting)
	ready := guestIn("web1", api.Ready)
	away := fmt.Errorf("%w: no socket", client.ErrNotRunning)
	refused := errors.New("not allowed")
	for name, tt := range map[string]struct {
		goal    string
		timeout time.Duration
		replies []reply
		want    string // the outcomes, or the error
		took    time.Duration
		queries []api.ProgressQuery // but for Refs
	}{
		"as wanted already": {"ready", time.Minute, []reply{{guests: []api.GuestProgress{ready}}}, "web1 reached", 0, []api.ProgressQuery{{}}},
		"by ssh":            {"ssh", time.Minute, []reply{{guests: []api.GuestProgress{{Ref: "web1", Boot: &api.Boot{Reached: api.Reached{SSH: new(time.Time)}}}}}}, "web1 reached", 0, []api.ProgressQuery{{SSH: true}}},
		"later": {"ready", time.Minute, []reply{{guests: []api.GuestProgress{web1}}, {after: 5 * time.Second, guests: []api.GuestProgress{ready}}}, "web1 reached", 5 * time.Second,
			[]api.ProgressQuery{{}, {Since: 1, Wait: command.LongPoll}}},
		"one failed and one is not ready yet": {"ready", time.Minute, []reply{
			{guests: []api.GuestProgress{guestIn("web1", api.Failed), web2}}, {after: time.Second, guests: []api.GuestProgress{guestIn("web1", api.Failed), guestIn("web2", api.Ready)}}},
			"web1 failed, web2 reached", time.Second, []api.ProgressQuery{{}, {Since: 1, Wait: command.LongPoll}}},
		"too late": {"ready", 45 * time.Second, []reply{{guests: []api.GuestProgress{web1}}, {after: command.LongPoll, guests: []api.GuestProgress{web1}}, {after: 15 * time.Second, guests: []api.GuestProgress{web1}}},
			"web1 timed out", 45 * time.Second, []api.ProgressQuery{{}, {Since: 1, Wait: command.LongPoll}, {Since: 2, Wait: 15 * time.Second}}},
		"no time":                  {"ready", 0, []reply{{guests: []api.GuestProgress{web1}}}, "web1 timed out", 0, []api.ProgressQuery{{}}},
		"no server":                {"ready", time.Minute, []reply{{err: away}}, away.Error(), 0, []api.ProgressQuery{{}}},
		"a server that refuses":    {"ready", time.Minute, []reply{{guests: []api.GuestProgress{web1}}, {err: refused}}, refused.Error(), 0, []api.ProgressQuery{{}, {Since: 1, Wait: command.LongPoll}}},
		"a server that restarts":   {"ready", time.Minute, []reply{{guests: []api.GuestProgress{web1}}, {err: away}, {err: client.ErrUnreachable}, {guests: []api.GuestProgress{ready}}}, "web1 reached", 2 * command.RetryTime, []api.ProgressQuery{{}, {Since: 1, Wait: command.LongPoll}, {Since: 1, Wait: command.LongPoll}, {Since: 1, Wait: command.LongPoll}}},
		"a server that stays away": {"ready", 1500 * time.Millisecond, []reply{{guests: []api.GuestProgress{web1}}, {err: away}, {err: away}, {err: away}}, away.Error(), 1500 * time.Millisecond, []api.ProgressQuery{{}, {Since: 1, Wait: 1500 * time.Millisecond}, {Since: 1, Wait: 1500 * time.Millisecond}, {Since: 1, Wait: 1500 * time.Millisecond}}},
		"gone already":             {"gone", time.Minute, []reply{{guests: []api.GuestProgress{{Ref: "web1"}}}}, "web1 reached", 0, []api.ProgressQuery{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var queries []api.ProgressQuery
				w := newWaiter(WaitCommand(), func(_ context.Context, q api.ProgressQuery) (api.Progress, error) {
					if !reflect.DeepEqual(q.Refs, []string{"web1"}) {
						t.Errorf("asked for %q", q.Refs)
					}
					q.Refs = nil
					queries = append(queries, q)
					r := tt.replies[len(queries)-1]
					time.Sleep(r.after)
					return api.Progress{Revision: uint64(len(queries)), Guests: r.guests}, r.err
				}, tt.goal, tt.timeout)
				began := time.Now()
				results, err := w.wait(t.Context(), []string{"web1"})
				if got := outcomes(results, err); got != tt.want || time.Since(began) != tt.took {
					t.Errorf("%s after %s, want %s after %s", got, time.Since(began), tt.want, tt.took)
				}
				if !reflect.DeepEqual(queries, tt.queries) {
					t.Errorf("asked %+v, want %+v", queries, tt.queries)
				}
			})
		})
	}
}

func outcomes(results []Result, err error) string {
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, r := range results {
		list = append(list, r.Ref+" "+string(r.Outcome))
	}
	return strings.Join(list, ", ")
}

// Who interrupts a wait does not wait for a server that is away.
func TestWaitIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		asked := 0
		w := newWaiter(WaitCommand(), func(context.Context, api.ProgressQuery) (api.Progress, error) {
			if asked++; asked == 1 {
				return api.Progress{Guests: []api.GuestProgress{{Ref: "web1"}}}, nil
			}
			time.AfterFunc(command.RetryTime/2, interrupt)
			return api.Progress{}, client.ErrNotRunning
		}, "ready", time.Hour)
		began := time.Now()
		if _, err := w.wait(ctx, []string{"web1"}); err == nil || time.Since(began) != command.RetryTime/2 || asked != 3 {
			t.Errorf("%v after %s and %d queries", err, time.Since(began), asked)
		}
	})
}

// A result has the guest and its boot, and says why it is no other.
func TestWaitResult(t *testing.T) {
	boot := func(state api.BootState, reason string, line int) api.GuestProgress {
		p := guestIn("web1", state)
		p.Boot.Verdict.Reason = reason
		if line > 0 {
			p.Boot.Verdict.Template = &api.TemplateLine{Name: "web.yaml", Line: line}
		}
		return p
	}
	known := guestIn("web1", "")
	known.Boot = nil
	for name, tt := range map[string]struct {
		goal     string
		progress api.GuestProgress
		row      string // outcome, state of the boot, reason
		told     string
	}{
		"ready":             {"ready", boot(api.Ready, "", 0), "reached|ready|-", "ready"},
		"degraded":          {"ready", boot(api.Degraded, "ssh_import_id: FAIL", 0), "degraded|degraded|ssh_import_id: FAIL", "degraded: ssh_import_id: FAIL"},
		"failed by a line":  {"ready", boot(api.Failed, "runcmd: exit code 1", 3), "failed|failed|runcmd: exit code 1 (web.yaml:3)", "failed: runcmd: exit code 1 (web.yaml:3)"},
		"booting":           {"ready", boot(api.Booting, "", 0), "timed out|booting|it came as far as lease", "booting, lease"},
		"booting with news": {"ready", boot(api.Booting, "no lease", 0), "timed out|booting|no lease", "booting, lease: no lease"},
		"stuck":             {"ready", boot(api.Stuck, "no sign for 5m", 0), "timed out|stuck|no sign for 5m", "stuck: no sign for 5m"},
		"without a state":   {"ready", boot(api.BootUnknown, "", 0), "timed out|unknown|it came as far as lease", "unknown, lease"},
		"known":             {"registered", known, "reached|-|-", "no boot is on record"},
		"never booted":      {"ready", known, "timed out|-|no boot of it was seen", "no boot is on record"},
		"unknown":           {"ready", api.GuestProgress{Ref: "web1"}, "timed out|-|no such guest is known", "not registered"},
		"gone":              {"gone", api.GuestProgress{Ref: "web1"}, "reached|-|-", "not registered"},
	} {
		results, open := newWaiter(WaitCommand(), nil, tt.goal, 0).judge(api.Progress{Guests: []api.GuestProgress{tt.progress}})
		if len(results) != 1 || results[0].Ref != "web1" || results[0].For != tt.goal || results[0].Guest != tt.progress.Guest || (open == 1) != (results[0].Outcome == command.TimedOut) {
			t.Errorf("%s: %+v, open %d", name, results, open)
			continue
		}
		r := results[0]
		state := "-"
		if r.Boot != nil {
			state = string(r.Boot.Verdict.State)
		}
		if (r.Boot == nil) != (tt.progress.Boot == nil) || r.Boot != nil && r.Boot.Number != 3 {
			t.Errorf("%s: the boot is %+v", name, r.Boot)
		}
		if got := string(r.Outcome) + "|" + state + "|" + r.Reason(); got != tt.row {
			t.Errorf("%s: %q, want %q", name, got, tt.row)
		}
		if got := describeProgress(tt.progress); got != tt.told {
			t.Errorf("%s: told is %q, want %q", name, got, tt.told)
		}
		var out strings.Builder
		if err := printWaited(&out, results); err != nil {
			t.Error(err)
		}
		cells := strings.SplitN(tt.row, "|", 3)
		if line := strings.Join(strings.Fields(strings.Split(out.String(), "\n")[1]), " "); line != fmt.Sprintf("web1 %s %s %s %s", cells[0], tt.goal, cells[1], cells[2]) {
			t.Errorf("%s: printed is %q", name, line)
		}
	}
}
