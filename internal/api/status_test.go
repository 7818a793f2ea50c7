package api_test

import (
	"fmt"
	"testing"
	"time"

	"mdserver/internal/api"
)

// What is wrong comes before warnings, in the order of the parts. Only what is wrong makes
// a server unhealthy.
func TestTrouble(t *testing.T) {
	part := func(name string, state api.Condition, troubles ...api.Condition) api.Part {
		p := api.Part{Name: name, State: state}
		for _, trouble := range troubles {
			p.Trouble = append(p.Trouble, api.Trouble{Part: name, State: trouble, Message: string(trouble)})
		}
		return p
	}
	for name, tt := range map[string]struct {
		health []api.Part
		want   string
		wrong  bool
	}{
		"nothing is known": {nil, "[]", false},
		"all is well":      {[]api.Part{part("disk", api.OK), part("log", api.OK)}, "[]", false},
		"a warning":        {[]api.Part{part("disk", api.Warning, api.Warning)}, "[disk: warning]", false},
		"both": {[]api.Part{part("disk", api.Wrong, api.Warning, api.Wrong), part("log", api.Wrong, api.Wrong), part("clock", api.Warning, api.Warning)},
			"[disk: wrong log: wrong disk: warning clock: warning]", true},
	} {
		s := api.Status{Health: tt.health}
		if got := fmt.Sprint(s.Trouble()); got != tt.want || s.Wrong() != tt.wrong {
			t.Errorf("%s: %s, wrong %v, want %s, %v", name, got, s.Wrong(), tt.want, tt.wrong)
		}
	}
}

func TestBrief(t *testing.T) {
	at := time.Unix(1, 0)
	b := api.Boot{Number: 3, Began: at, Ended: &at, Verdict: api.Verdict{State: api.Ready}, Reached: api.Reached{SSH: &at}}
	if got, want := b.Brief(), (api.BootBrief{Number: 3, Began: at, Ended: &at, Verdict: b.Verdict, Reached: b.Reached}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
