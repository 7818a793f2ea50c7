package userdata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/stpl"
)

// An error of a template names its line, others name none.
func TestFailedLine(t *testing.T) {
	for _, tt := range []struct {
		err  error
		line int
	}{
		{fmt.Errorf("part: %w", &stpl.Error{File: "web", Line: 3}), 3}, {&stpl.Error{File: "web", Line: 1}, 1}, {&stpl.Error{File: "web"}, 0}, {errors.New("x"), 0}, {nil, 0},
	} {
		got := FailedLine(tt.err)
		if (got != nil) != (tt.line > 0) || got != nil && (got.Line != tt.line || got.Name != "web") {
			t.Errorf("%v: %+v", tt.err, got)
		}
	}
}

// A default template that cannot be read is looked at again once it has changed.
func TestAnUnreadableDefaultIsWatched(t *testing.T) {
	s := newSite(t, "")
	s.conf = "default_template = " + s.dir + "\n" // a directory
	found, err := s.renderer().search(guest("web", nil))
	watched := slices.ContainsFunc(found.watched, func(f fingerprint) bool { return f.path == s.dir })
	if !strings.HasPrefix(text(err), "default_template: ") || !watched {
		t.Errorf("error %v, watched are %+v", err, found.watched)
	}
}

// An error of vendor-data names the key or the template that is to blame.
func TestErrorsOfVendorData(t *testing.T) {
	for template, want := range map[string]string{
		"":                   "vendordata_template: ",
		"{{nothing}}":        "vendor:1: NameError",
		"% if\n":             "vendor:1: SyntaxError",
		"## mdserver: foo\n": "vendor:1: SyntaxError: unknown header",
		"\x1f\x8b\x08":       "vendordata_template: DIR/vendor: compressed, but damaged",
	} {
		s := newSite(t, "")
		s.conf = "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
		if template != "" {
			s.write("vendor", template)
		}
		r := s.renderer()
		_, err := r.Vendor(t.Context(), guest("web", nil), false)
		_, jsonErr := r.VendorJSON(t.Context(), guest("web", nil), false)
		want = strings.ReplaceAll(want, "DIR", s.dir)
		if !strings.Contains(text(err), want) || !strings.Contains(text(jsonErr), want) {
			t.Errorf("%q: %v; as JSON: %v; want %q", template, err, jsonErr, want)
		}
	}
	if got, err := newSite(t, "").renderer().VendorJSON(t.Context(), guest("web", nil), false); string(got.Body) != "{}\n" || err != nil {
		t.Errorf("without a template: %q, %v", got.Body, err)
	}
}

// A render that takes too long by the clock says so. One that is cancelled is
// no failure.
func TestTimeOfARender(t *testing.T) {
	s := newSite(t, "")
	r := s.renderer()
	r.work = time.Millisecond
	web := guest("web", nil)
	wait := func(ctx context.Context, _ *instance.Instance) (Rendered, []fingerprint, error) {
		<-ctx.Done()
		return Rendered{}, nil, ctx.Err()
	}
	want := job{document{"user-data", false, web.UUID}, web}
	if _, err := r.shared(t.Context(), want, wait); text(err) != "context deadline exceeded: it took more than 1ms by the clock" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.work = time.Hour
	web = guest("db", nil)
	if made, err := r.make(ctx, job{document{"user-data", false, web.UUID}, web}, wait); made != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", made, err)
	}
	if n := strings.Count(s.log.String(), "user-data failed"); n != 1 {
		t.Errorf("%d failures in the log: %s", n, s.log.String())
	}
}

// A failure is kept as long as a second, ten times as long as it took, or ten seconds.
func TestHowLongAFailureIsKept(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{0: time.Second, 100 * time.Millisecond: time.Second, 500 * time.Millisecond: 5 * time.Second, 5 * time.Second: 10 * time.Second} {
		s := newSite(t, "")
		r, now := s.renderer(), time.Now()
		r.now = func() time.Time { return now }
		fail := func(context.Context, *instance.Instance) (Rendered, []fingerprint, error) {
			now = now.Add(took)
			return Rendered{}, nil, errors.New("no")
		}
		web := guest("web", nil)
		made, err := r.make(t.Context(), job{document{"user-data", false, web.UUID}, web}, fail)
		if err != nil || made.expires.Sub(now) != want {
			t.Errorf("a failure that took %v is kept for %v, want %v (%v)", took, made.expires.Sub(now), want, err)
		}
	}
}

// A result is trusted between two checks, checks count from the last one, and a clock
// that was set back is noticed.
func TestFresh(t *testing.T) {
	web := guest("web", nil)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := &result{guest: web, began: began, prints: []fingerprint{takeFingerprint(file)}}
	r.checked.Store(began.UnixNano())
	if !r.fresh(web, began.Add(recheck)) || r.checked.Load() != began.Add(recheck).UnixNano() {
		t.Error("an unchanged file is not fresh, or the check is not noted")
	}
	if r.fresh(guest("web", nil), began) {
		t.Error("fresh for another record")
	}
	if err := os.WriteFile(file, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{recheck: true, 2*recheck - 1: true, 2 * recheck: false, recheck - 1: false, -time.Hour: false} {
		if got := r.fresh(web, began.Add(after)); got != want {
			t.Errorf("fresh %v after %v", got, after)
		}
	}
	for after, want := range map[time.Duration]bool{0: true, recheck - 1: true, recheck: false} {
		if got := r.serves(began.Add(after)); got != want {
			t.Errorf("serves %v who came after %v", got, after)
		}
	}
	unchanged := &result{began: began, prints: []fingerprint{takeFingerprint(file)}}
	if !unchanged.serves(began.Add(time.Hour)) {
		t.Error("an unchanged result does not serve")
	}
	failed := &result{guest: web, err: errors.New("x"), expires: began.Add(time.Second)}
	failed.checked.Store(began.UnixNano())
	if !failed.fresh(web, began.Add(time.Second)) || failed.fresh(web, began.Add(time.Second+1)) {
		t.Error("a failure does not end with its time")
	}
}
