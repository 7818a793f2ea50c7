package draft_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

func TestPresence(t *testing.T) {
	const released = instance.PresenceState("")
	observe := func(l *lab) { l.MustObserve(dom(1, "web1"), false) }
	run := func(l *lab) { l.MustObserve(dom(1, "web1"), true) }
	upload := func(l *lab) { l.MustRegister(dom(1, "web1")) }
	hook := func(l *lab) {
		d := dom(1, "web1")
		d.Source = instance.ByHook
		l.MustRegister(d)
	}
	unplug := func(l *lab) {
		if _, err := l.Unplug(background(), uid(1)); err != nil {
			l.T.Fatal(err)
		}
	}
	undefine := func(l *lab) { l.MustMiss(1, false) }
	migrate := func(l *lab) { l.MustMiss(1, true) }
	rest := func(l *lab) {
		l.Clock.Advance(time.Hour)
		if _, err := l.ReleaseGone(background(), uid(1), l.Clock.Now().Add(-time.Hour)); err != nil {
			l.T.Fatal(err)
		}
	}
	early := func(l *lab) {
		if _, err := l.ReleaseGone(background(), uid(1), l.Clock.Now().Add(-time.Hour)); err != nil {
			l.T.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		steps []func(*lab)
		want  instance.PresenceState
	}{
		"found":                               {[]func(*lab){observe}, instance.Present},
		"uploaded":                            {[]func(*lab){upload}, "unseen"},
		"uploaded, then found":                {[]func(*lab){upload, observe}, instance.Present},
		"found, then uploaded by the hook":    {[]func(*lab){observe, upload}, instance.Present},
		"undefined":                           {[]func(*lab){observe, undefine}, instance.Gone},
		"undefined and rested":                {[]func(*lab){observe, undefine, rest}, released},
		"undefined and not rested":            {[]func(*lab){observe, undefine, early}, instance.Gone},
		"undefined twice":                     {[]func(*lab){observe, undefine, undefine, rest}, released},
		"defined again":                       {[]func(*lab){observe, undefine, observe, rest}, instance.Present},
		"uploaded by hand after it was gone":  {[]func(*lab){observe, undefine, upload, rest}, "unseen"},
		"never in libvirt":                    {[]func(*lab){upload, undefine, rest}, "unseen"},
		"told of by the hook":                 {[]func(*lab){hook}, "unseen"},
		"its start failed after the hook":     {[]func(*lab){hook, undefine, rest}, released},
		"its start failed, and was repeated":  {[]func(*lab){hook, undefine, hook, rest}, "unseen"},
		"unplugged":                           {[]func(*lab){observe, unplug}, instance.Gone},
		"unplugged and rested":                {[]func(*lab){observe, unplug, rest}, released},
		"unplugged and plugged again":         {[]func(*lab){observe, unplug, observe, rest}, instance.Present},
		"unplugged while it is away":          {[]func(*lab){run, migrate, unplug, rest}, instance.Away},
		"unplugged, and not known":            {[]func(*lab){unplug}, released},
		"unknown":                             {[]func(*lab){undefine, rest}, released},
		"migrated":                            {[]func(*lab){run, migrate, rest}, instance.Away},
		"migrated and undefined":              {[]func(*lab){run, migrate, undefine, rest}, instance.Away},
		"migrated, its definition left":       {[]func(*lab){run, migrate, observe, undefine, rest}, instance.Away},
		"migrated and back":                   {[]func(*lab){run, migrate, run}, instance.Present},
		"migrated and back, then undefined":   {[]func(*lab){run, migrate, run, undefine, rest}, released},
		"away, and the hook says it is here":  {[]func(*lab){run, migrate, upload, run}, instance.Present},
		"gone, and known to be away too late": {[]func(*lab){run, undefine, migrate, rest}, released},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			for _, step := range tt.steps {
				step(l)
			}
			if got := l.Present(1); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestObserveAgain: what libvirt tells again changes nothing.
func TestObserveAgain(t *testing.T) {
	l := newLab(t)
	l.MustObserve(dom(1, "web1", "userdata_prefix", "x"), true)
	before := l.Snapshot().Revision()
	l.Clock.Advance(time.Hour)
	l.MustObserve(dom(1, "web1", "userdata_prefix", "x"), false)
	if after := l.Snapshot().Revision(); after != before {
		t.Errorf("revision %d after %d", after, before)
	}
	l.MustObserve(dom(1, "web1", "userdata_prefix", "y"), true)
	guest, _ := l.Snapshot().ByUUID(uid(1))
	if guest.Metadata.Values["userdata_prefix"] != "y" || !guest.LastUpdate.Equal(l.Clock.Now()) {
		t.Errorf("%+v does not follow", guest)
	}
}

// TestReturnAfterRelease: a guest that comes back within the quarantine is who
// it was.
func TestReturnAfterRelease(t *testing.T) {
	l := newLab(t)
	l.MustObserve(dom(1, "web1"), true)
	before, _ := l.Snapshot().ByUUID(uid(1))
	l.MustMiss(1, false)
	if released, err := l.ReleaseGone(background(), uid(1), l.Clock.Now()); err != nil || !released {
		t.Fatalf("released: %v (%v)", released, err)
	}
	if _, resting := l.RestingIDs()[before.IPv4.String()]; !resting {
		t.Errorf("%s does not rest", before.IPv4)
	}
	l.MustObserve(dom(1, "web1"), true)
	after, _ := l.Snapshot().ByUUID(uid(1))
	if after.IPv4 != before.IPv4 || after.ID != before.ID {
		t.Errorf("it came back as %s %s, it was %s %s", after.ID, after.IPv4, before.ID, before.IPv4)
	}
}

// TestHookTellsOfANameFirst: the hook may tell of a name's new bearer before
// libvirt's events tell that the former one was renamed. That one keeps all but
// the name; a machine that was made anew takes all.
func TestHookTellsOfANameFirst(t *testing.T) {
	hooked := func(n int, name string) instance.Domain {
		d := dom(n, name)
		d.Source = instance.ByHook
		return d
	}
	t.Run("renamed", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), false)
		before, _ := l.Snapshot().ByUUID(uid(1))
		l.Clock.Advance(time.Hour)
		l.MustRegister(hooked(2, "web1"))
		l.MustObserve(dom(1, "web2"), false)
		after, ok := l.Snapshot().ByUUID(uid(1))
		if !ok || after.FirstSeen != before.FirstSeen || after.IPv4 != before.IPv4 || after.Hostname != "web2" {
			t.Errorf("it is %+v, and was %+v", after, before)
		}
		if taker, ok := l.Snapshot().ByName("web1"); !ok || taker.UUID != uid(2) || taker.Hostname != "web1" {
			t.Errorf("the name is with %+v", taker)
		}
	})
	t.Run("made anew", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), false)
		anew := hooked(2, "web1")
		anew.Interfaces = dom(1, "web1").Interfaces
		if reg := l.MustRegister(anew); reg.Replaced == nil || reg.Replaced.UUID != uid(1) {
			t.Errorf("it replaced %+v", reg.Replaced)
		}
	})
}

// Who takes the name of a guest that is present, because libvirt has renamed that one.
func TestNameIsTakenOver(t *testing.T) {
	takes := func(t *testing.T, l *lab) (former *instance.Instance) {
		t.Helper()
		l.MustObserve(dom(2, "web1"), true)
		if taker, ok := l.Snapshot().ByName("web1"); !ok || taker.UUID != uid(2) {
			t.Errorf("the name is with %+v", taker)
		}
		former, _ = l.Snapshot().ByUUID(uid(1))
		return former
	}
	t.Run("present", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), true)
		if former := takes(t, l); former == nil || former.Name != uid(1).String() || former.Hostname == "web1" {
			t.Errorf("it is %+v", former)
		}
	})
	t.Run("its host name is taken", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), true)
		l.MustObserve(dom(3, "other", "hostname", uid(1).String()), true)
		if former := takes(t, l); former == nil || former.Hostname == uid(1).String() || !strings.HasPrefix(former.Hostname, uid(1).String()) {
			t.Errorf("it is %+v", former)
		}
	})
	t.Run("it has asked for its host name", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1", "hostname", "www"), true)
		if former := takes(t, l); former == nil || former.Hostname != "www" {
			t.Errorf("it is %+v", former)
		}
	})
	t.Run("its name is taken", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), true)
		l.MustObserve(dom(3, uid(1).String()), true)
		if former := takes(t, l); former != nil {
			t.Errorf("it is %+v", former)
		}
	})
	t.Run("gone", func(t *testing.T) {
		l := newLab(t)
		l.MustObserve(dom(1, "web1"), true)
		l.MustMiss(1, false)
		if former := takes(t, l); former != nil {
			t.Errorf("it is %+v", former)
		}
	})
}

// When a guest was seen first counts, and when it was missed.
func TestPresentSince(t *testing.T) {
	l := newLab(t)
	since := func(what string, want time.Time) {
		t.Helper()
		if guest, _ := l.Snapshot().ByUUID(uid(1)); !guest.Presence.Since.Equal(want) {
			t.Errorf("%s: since %v, want %v", what, guest.Presence.Since, want)
		}
	}
	first := l.Clock.Now()
	l.MustObserve(dom(1, "web1"), true)
	since("seen", first)
	l.Clock.Advance(time.Hour)
	l.MustObserve(dom(1, "web1", "userdata_prefix", "x"), true)
	since("seen again", first)
	l.MustMiss(1, true)
	since("migrated", l.Clock.Now())
	l.Clock.Advance(time.Hour)
	l.MustObserve(dom(1, "web1"), true)
	since("back", l.Clock.Now())
	l.Clock.Advance(time.Hour)
	l.MustMiss(1, false)
	gone := l.Clock.Now()
	for _, tt := range []struct {
		before time.Time
		want   bool
	}{{gone.Add(-1), false}, {gone, true}} {
		if released, err := l.ReleaseGone(background(), uid(1), tt.before); err != nil || released != tt.want {
			t.Errorf("gone since %v, and released if since %v: %v, %v", gone, tt.before, released, err)
		}
	}
}

// What libvirt refuses to be is told, and forgotten with the domain.
func TestRefusalOfWhatLibvirtHas(t *testing.T) {
	l := newLab(t)
	d := dom(1, "web1", "ipv4", "10.0.0.1")
	if _, err := l.Observe(background(), d, true); !errors.Is(err, denied.ErrAddressOutside) {
		t.Fatal(err)
	}
	if _, told := l.Refusals().Of(uid(1)); !told {
		t.Error("the refusals lack a domain that is no guest")
	}
	l.MustMiss(1, false)
	if _, told := l.Refusals().Of(uid(1)); told {
		t.Error("a domain that is gone is told of")
	}
}

// A guest whose network was removed from the configuration is not gone.
func TestUnplugWithoutNetworks(t *testing.T) {
	l := newLab(t)
	l.MustObserve(dom(1, "web1"), true)
	opts := l.Opts
	opts.Networks = []instance.Network{{Name: "other", IPv4: netip.MustParsePrefix("10.1.0.0/28")}}
	l.Reconfigure(opts)
	if missed, err := l.Unplug(background(), uid(1)); missed || err != nil || l.Present(1) != instance.Present {
		t.Errorf("%v, %v: %q", missed, err, l.Present(1))
	}
	l.Reconfigure(l.Opts)
	if missed, err := l.Unplug(background(), uid(1)); !missed || err != nil || l.Present(1) != instance.Gone {
		t.Errorf("%v, %v: %q", missed, err, l.Present(1))
	}
}
