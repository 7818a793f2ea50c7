package dnsmasq

import (
	"slices"
	"testing"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

// TestFoldIsNoChange checks that dnsmasq gets no signal when the small files are moved
// into the compact ones, nor at the next look.
func TestFoldIsNoChange(t *testing.T) {
	one, two, three := newGuest(1, "one"), newGuest(2, "two"), newGuest(3, "three")
	s, m := startMemory(t, []instance.Instance{one})
	must(t, s.Apply(t.Context(), added(two)))
	s.pub.small = append(slices.Repeat(s.pub.small, mostSmall-2), s.pub.small...)
	must(t, s.Apply(t.Context(), added(three)))
	if paths, err := s.settings.WatchedFiles(); err != nil || len(paths) > 0 {
		t.Fatalf("small files are left: %q, %v", paths, err)
	}
	s.CatchUp(t.Context())
	if st := s.Status(); m.told() != "" || st.LastError != "" || !st.Live || st.Repairs != 0 || st.Guests != 3 {
		t.Errorf("status %+v", st)
	}
	if s.pub.revision != s.pub.compact.Revision() {
		t.Errorf("the revision is %s, want that of the files, %s", s.pub.revision, s.pub.compact.Revision())
	}
}

// TestMarkerAfterAFold checks that looks ask for the marker of the compact files again
// once dnsmasq has read them: at a change, or at the start of another process.
func TestMarkerAfterAFold(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	for name, read := range map[string]func(*Service, *memory){
		"at a change":        func(s *Service, _ *memory) { must(t, s.Apply(t.Context(), removed(two))) },
		"by another process": func(_ *Service, m *memory) { m.appears() },
	} {
		s, m := startMemory(t, []instance.Instance{one, two})
		must(t, s.fold())
		read(s, m)
		s.CatchUp(t.Context())
		m.told()
		m.set(func() { delete(m.names, content.LiveName) })
		if s.CatchUp(t.Context()); m.told() != "hangup" {
			t.Errorf("%s: the loss of the files is not noticed", name)
		}
	}
}
