package hosting

import (
	"testing"

	"mdserver/internal/instance"
)

// Homes of a guest, as the host a sees them.
var (
	here      = instance.Home{Host: "A", HostID: "a", Epoch: 5, Run: instance.Running}
	stopped   = instance.Home{Host: "A", HostID: "a", Epoch: 5}
	onItsWay  = instance.Home{Host: "A", HostID: "a", FromHost: "B", FromID: "b", Epoch: 5}
	there     = instance.Home{Host: "B", HostID: "b", Epoch: 5, Run: instance.Running}
	thereDown = instance.Home{Host: "B", HostID: "b", Epoch: 5}
	onDead    = instance.Home{Host: "D", HostID: "dead", Epoch: 5, Run: instance.Running}
	leaving   = instance.Home{Host: "B", HostID: "b", FromHost: "A", FromID: "a", Epoch: 5, Run: instance.Starting}
	passingBy = instance.Home{Host: "B", HostID: "b", FromHost: "C", FromID: "c", Epoch: 5}
	nowhere   = instance.Home{Epoch: 5}
)

func at(home instance.Home, run instance.RunState) instance.Home {
	home.Run = run
	return home
}

// taken is the home of a guest that the host a has taken.
func taken(run instance.RunState, fromHost, fromID string) instance.Home {
	return instance.Home{Host: "A", HostID: "a", FromHost: fromHost, FromID: fromID, Epoch: 6, Run: run}
}

func host() Host {
	return Host{ID: "a", Name: "A", Alive: func(id string) bool { return id != "dead" }}
}

func TestAfter(t *testing.T) {
	stays := instance.Home{} // the word does not count
	for name, test := range map[string]struct {
		now      instance.Home
		presence instance.PresenceState
		word     Word
		want     instance.Home
	}{
		"started again":                {stopped, "", Starts, at(stopped, instance.Starting)},
		"runs here":                    {stopped, "", Runs, here},
		"stopped here":                 {here, "", Defined, stopped},
		"registered by hand here":      {here, "", Told, here},
		"arrives":                      {onItsWay, "", Runs, here},
		"about to arrive":              {onItsWay, "", Starts, at(onItsWay, instance.Starting)},
		"did not arrive":               {onItsWay, "", Defined, SentBack(onItsWay)},
		"announced again":              {onItsWay, "", Received, onItsWay},
		"received":                     {there, "", Received, taken("", "B", "b")},
		"received, did not run":        {thereDown, "", Received, taken("", "", "")},
		"received on the way":          {passingBy, "", Received, taken("", "C", "c")},
		"received back":                {leaving, "", Received, taken("", "B", "b")},
		"starts while another runs it": {there, "", Starts, stays},
		"starts while another does not": {
			thereDown, "", Starts, taken(instance.Starting, "", "")},
		"starts, the other is dead":     {onDead, "", Starts, taken(instance.Starting, "", "")},
		"runs while another runs it":    {there, "", Runs, stays},
		"runs while another does not":   {thereDown, "", Runs, taken(instance.Running, "", "")},
		"runs, the other is dead":       {onDead, "", Runs, taken(instance.Running, "", "")},
		"still runs here, on its way":   {leaving, "", Runs, stays},
		"defined, and elsewhere":        {thereDown, "", Defined, stays},
		"defined, and gone elsewhere":   {thereDown, instance.Gone, Defined, taken("", "", "")},
		"defined, and nowhere":          {nowhere, "", Defined, taken("", "", "")},
		"defined, nowhere and away":     {nowhere, instance.Away, Defined, stays},
		"registered by hand, elsewhere": {there, "", Told, there},
	} {
		guest := &instance.Instance{Home: test.now, Presence: instance.Presence{State: test.presence}}
		got, counts := host().After(guest, test.word)
		if got != test.want || counts != (test.want != stays) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, counts, test.want)
		}
	}
	if got, counts := host().After(nil, Starts); got != (instance.Home{Host: "A", HostID: "a", Epoch: 1, Run: instance.Starting}) || !counts {
		t.Errorf("a new guest: %+v, %v", got, counts)
	}
	if got, _ := (Host{ID: "a", Name: "new"}).After(&instance.Instance{Home: here}, Runs); got.Host != "new" || got.HostID != "a" {
		t.Errorf("the host has another name: %+v", got)
	}
	if got, counts := (Host{ID: "a", Name: "A"}).After(&instance.Instance{Home: there}, Starts); got != taken(instance.Starting, "", "") || !counts {
		t.Errorf("nothing is known of other hosts: %+v, %v", got, counts)
	}
	if got, counts := (Host{}).After(&instance.Instance{Home: there}, Starts); got != (instance.Home{}) || !counts {
		t.Errorf("without other hosts: %+v, %v", got, counts)
	}
}

// A guest that did not arrive belongs to the host that it came from, which runs it.
func TestSentBack(t *testing.T) {
	if got, want := SentBack(onItsWay), (instance.Home{Host: "B", HostID: "b", Epoch: 6, Run: instance.Running}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestHas(t *testing.T) {
	for name, test := range map[string]struct {
		host           Host
		now            instance.Home
		has, elsewhere bool
	}{
		"this host has it":      {host(), here, true, false},
		"another host has it":   {host(), there, false, true},
		"no host has it":        {host(), nowhere, false, false},
		"there are no others":   {Host{}, there, true, false},
		"it leaves this host":   {host(), leaving, false, true},
		"it is on its way here": {host(), onItsWay, true, false},
	} {
		guest := &instance.Instance{Home: test.now}
		if has, elsewhere := test.host.Has(guest), test.host.Elsewhere(guest); has != test.has || elsewhere != test.elsewhere {
			t.Errorf("%s: %v, elsewhere %v", name, has, elsewhere)
		}
	}
}

func TestAfterStop(t *testing.T) {
	for name, test := range map[string]struct {
		now    instance.Home
		reason string
		want   instance.Home
	}{
		"here":                         {here, "", stopped},
		"on its way, for any reason":   {onItsWay, "", SentBack(onItsWay)},
		"on its way, but it ran here":  {onItsWay, stoppedShutdown, stopped},
		"on its way, saved here":       {onItsWay, stoppedSaved, stopped},
		"on its way, and on to others": {onItsWay, stoppedMigrated, stopped},
		"of another host":              {there, stoppedShutdown, there},
		"left":                         {leaving, stoppedMigrated, there},
		"left, for any reason":         {leaving, "", there},
		"shut down before it left":     {leaving, stoppedShutdown, at(SentBack(leaving), "")},
		"did not start there":          {at(leaving, ""), "", at(SentBack(leaving), "")},
		"left, and did not start yet":  {at(leaving, ""), stoppedMigrated, there},
	} {
		if got := host().AfterStop(test.now, test.reason); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestContested(t *testing.T) {
	for name, test := range map[string]struct {
		now  instance.Home
		word Word
		want string
	}{
		"both run it":             {there, Runs, "B"},
		"starts it, too":          {there, Starts, "B"},
		"has its definition":      {there, Defined, ""},
		"it leaves for the other": {leaving, Runs, ""},
	} {
		if got := host().Contested(&instance.Instance{Home: test.now}, test.word); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestWordOf(t *testing.T) {
	for _, test := range []struct {
		source   string
		received bool
		want     Word
	}{
		{instance.ByHook, false, Starts},
		{instance.ByHook, true, Received},
		{instance.ByUpload, false, Starts},
		{instance.ByLocal, false, Told},
		{"", true, Told},
	} {
		if got := WordOf(instance.Domain{Source: test.source, Received: test.received}); got != test.want {
			t.Errorf("%q, received %v: %d, want %d", test.source, test.received, got, test.want)
		}
	}
}
