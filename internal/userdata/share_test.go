package userdata

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mdserver/internal/instance"
)

// failures counts the renders that failed: each is logged once.
func (s *site) failures() int { return strings.Count(s.log.String(), "user-data failed") }

// settledRenderer makes a renderer when the template web is old enough for
// results to be kept, with a clock that the test moves.
func settledRenderer(t *testing.T, s *site) (*Renderer, *time.Time) {
	t.Helper()
	waitSettled(t, filepath.Join(s.dir, "web"))
	r, now := s.renderer(), time.Now()
	r.now = func() time.Time { return now }
	return r, &now
}

// Whatever many requests at once for one guest cost, it is the cost of one.
func TestRequestsAtOnceShareOneRender(t *testing.T) {
	for name, template := range map[string]string{
		"a failure":            "{{1 / 0}}",
		"a failure at a limit": "% l = []\n% while True:\n%   l.append('x' * 10000 + str(len(l)))\n% end\n",
		"a syntax error":       "% if\n",
		"no template":          "",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "")
			s.write("web", template)
			web := guest("web", nil)
			if template == "" {
				web = guest("web", map[string]string{"userdata_prefix": "absent"})
			}
			r, _ := settledRenderer(t, s)
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if got, err := r.Render(t.Context(), web); err == nil {
						t.Errorf("no error, but %q", got.Body)
					}
				})
			}
			all.Wait()
			if n := s.failures(); n != 1 {
				t.Errorf("%d renders, want 1", n)
			}
		})
	}
}

func TestAFailureIsKeptForAWhile(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "{{1 / 0}}")
	r, now := settledRenderer(t, s)
	web := guest("web", nil)
	for _, step := range []struct {
		passes  time.Duration
		renders int
	}{
		{0, 1}, {0, 1}, {minFailure / 2, 1}, {minFailure / 2, 1}, {1, 2}, {minFailure - 1, 2},
	} {
		*now = now.Add(step.passes)
		if _, err := r.Render(t.Context(), web); err == nil || !strings.Contains(err.Error(), "ZeroDivisionError") {
			t.Errorf("error %v", err)
		}
		if n := s.failures(); n != step.renders {
			t.Errorf("%v later: %d renders, want %d", step.passes, n, step.renders)
		}
	}
}

// A failure is kept under the identity that a success is kept under.
func TestAChangeEndsAFailure(t *testing.T) {
	for name, mend := range map[string]func(s *site, web *instance.Instance) *instance.Instance{
		"the template is edited": func(s *site, web *instance.Instance) *instance.Instance {
			s.write("web", "good")
			return web
		},
		"the included file appears": func(s *site, web *instance.Instance) *instance.Instance {
			s.write("absent", "good")
			return web
		},
		"the included file appears in a directory": func(s *site, web *instance.Instance) *instance.Instance {
			s.write("d/absent", "good")
			return web
		},
		"a better match appears": func(s *site, web *instance.Instance) *instance.Instance {
			s.write("web.first", "good")
			return web
		},
		"the record changes": func(_ *site, web *instance.Instance) *instance.Instance {
			changed := *web
			changed.Hostname = "good"
			return &changed
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "userdata_suffixes = .first:\n")
			s.write("d/other", "")
			include := "absent"
			if strings.HasSuffix(name, "in a directory") {
				include = "d/absent"
			}
			s.write("web", "{{hostname if hostname == 'good' else include('"+include+"')}}")
			r, now := settledRenderer(t, s)
			web := guest("web", nil)
			for range 2 {
				if _, err := r.Render(t.Context(), web); err == nil {
					t.Fatal("no error")
				}
			}
			if n := s.failures(); n != 1 {
				t.Errorf("%d renders before the change, want 1", n)
			}
			web = mend(s, web)
			*now = now.Add(recheck)
			if got, err := r.Render(t.Context(), web); err != nil || !strings.HasPrefix(string(got.Body), "good") {
				t.Errorf("%q, %v", got.Body, err)
			}
		})
	}
}

// endless is a template that only a limit or a context ends.
const endless = "% while True:\n%   pass\n% end\n"

// unlimited lets the limits be as good as absent.
const unlimited = "template_steps = 1000000000\ntemplate_time = 60000\n"

func TestARenderEndsWhenNobodyWaits(t *testing.T) {
	s := newSite(t, unlimited)
	s.write("web", endless)
	r, _ := settledRenderer(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := r.Render(ctx, guestWeb); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
	for len(r.slots) == 0 { // until the render is under way
		time.Sleep(time.Millisecond)
	}
	hangUp()
	all.Wait()
	if n := len(r.slots); n != 0 {
		t.Errorf("%d renders are under way", n)
	}
	s.write("web", "good")
	if got := s.render(r, guestWeb); got != "good" || s.failures() != 0 {
		t.Errorf("%q afterwards; %d failures", got, s.failures())
	}
}

var guestWeb = guest("web", nil)

// Only so many renders run at once, and each guest has at most one among them.
func TestRendersAreBoundedInAll(t *testing.T) {
	s := newSite(t, unlimited)
	s.write("web", endless)
	s.write("small", "small")
	r, _ := settledRenderer(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer hangUp()
	ask := func(g *instance.Instance) {
		all.Go(func() { _, _ = r.Render(ctx, g) })
	}
	for range 10 * cap(r.slots) {
		ask(guestWeb)
	}
	for len(r.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := s.render(r, guest("small", nil)); got != "small" {
		t.Errorf("%q for another guest", got)
	}
	if n := len(r.slots); n != 1 {
		t.Errorf("one guest has %d renders under way, want 1", n)
	}
	for len(r.slots) < cap(r.slots) {
		other := guest("web", nil)
		other.UUID[0] = byte(len(r.slots))
		ask(other)
		time.Sleep(time.Millisecond)
	}
	waiting, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.Render(waiting, guest("late", nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more than there are slots: error %v", err)
	}
}

func TestHowManyRendersRunAtATime(t *testing.T) {
	for _, tt := range []struct{ processors, memory, want int }{
		{1, 64, 2}, {2, 64, 3}, {64, 64, 8}, {64, 1, 65}, {4, 4096, 1},
	} {
		if got := renders(tt.processors, tt.memory); got != tt.want {
			t.Errorf("%d processors, %d MiB each: %d, want %d", tt.processors, tt.memory, got, tt.want)
		}
	}
}

// What is kept is bounded in bytes, not only in documents.
func TestWhatIsKeptIsBounded(t *testing.T) {
	s := newSite(t, "")
	s.write("web", strings.Repeat("x", 1<<20))
	r, _ := settledRenderer(t, s)
	const guests = 2 * maxCachedBytes >> 20
	kept := 0
	for i := range guests {
		g := guest("web", nil)
		g.UUID[0] = byte(i)
		s.render(r, g)
	}
	for i := range guests {
		g := guest("web", nil)
		g.UUID[0] = byte(i)
		if _, ok := r.cache.Get(document{"user-data", false, g.UUID}); ok {
			kept++
		}
	}
	if kept == 0 || kept > maxCachedBytes>>20 {
		t.Errorf("%d documents of a MiB are kept", kept)
	}
}

// Each render is reported once, and what is served from memory is not.
func TestRendersAreReported(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "#cloud-config\n")
	s.write("broken", "{{1 / 0}}")
	s.write("vendor", "#cloud-config\n")
	s.conf = "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
	waitSettled(t, filepath.Join(s.dir, "vendor"))
	r, _ := settledRenderer(t, s)
	var reported []string
	r.OnRender(func(document string, _ time.Duration, err error) {
		reported = append(reported, fmt.Sprint(document, " ", err == nil))
	})
	web, broken := guest("web", nil), guest("broken", nil)
	for range 2 {
		_, _ = r.Render(t.Context(), web)
		_, _ = r.Render(t.Context(), broken)
		_, _ = r.Vendor(t.Context(), web, false)
		_, _ = r.VendorJSON(t.Context(), web, false)
	}
	if got, want := strings.Join(reported, ", "), "user-data true, user-data false, vendor-data true, vendor_data.json true"; got != want {
		t.Errorf("reported: %s, want %s", got, want)
	}
}
