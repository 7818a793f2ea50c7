package selection

import (
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// TestWord offers a shell only names that it takes as they are.
func TestWord(t *testing.T) {
	id := uuid.New()
	for name, offered := range map[string]bool{
		"web1": true, "büro": true, "web_1.example@x+y": true,
		"": false, "web 1": false, "$(id)": false, "a;b": false, "`id`": false, "-x": false, "a\tb": false, "a\nb": false,
		"a:b": false, "\x1b[31m": false, "a\u202eb": false, "a\u3164": false, "a\xff": false, "a\U000e0041": false,
	} {
		want := id.String()
		if offered {
			want = name
		}
		if got := Word(instance.Instance{Name: name, UUID: id}); got != want {
			t.Errorf("%q is offered as %q, want %q", name, got, want)
		}
	}
}
