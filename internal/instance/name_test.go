package instance

import (
	"strings"
	"testing"
)

func TestValidateName(t *testing.T) {
	for _, name := range []string{"web1", "web 1", "..", ".", "a,b", `a"b'c`, "$(reboot)", "-x", "größe", "🐧", "tab\there", "  ", strings.Repeat("x", 255)} {
		if err := ValidateName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
	tests := []struct{ name, reason string }{
		{"", "no name"},
		{"a/b", "slash"},
		{"../etc/passwd", "slash"},
		{"a\nb", "line break"},
		{"a\rb", "line break"},
		{"a\x00b", "line break"},
		{"a\xffb", "UTF-8"},
	}
	for _, tt := range tests {
		if err := ValidateName(tt.name); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("ValidateName(%q) = %v, want an error with %q", tt.name, err, tt.reason)
		}
	}
}
