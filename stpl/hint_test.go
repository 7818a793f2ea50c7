package stpl

import (
	"strings"
	"testing"
)

// Who did not mean a line to be code reads which line it is and what to do.
func TestSyntaxErrorsQuoteTheLine(t *testing.T) {
	const percent, braces = "a line that begins with % is code: write %%, or begin the file with ## raw", "what is between {{ and }} is code"
	for _, tt := range []struct{ line, quoted, hint string }{
		{"%wheel ALL=(ALL) NOPASSWD: ALL", "invalid syntax: %wheel ALL=(ALL) NOPASSWD: ALL; ", percent},
		{"  %h/bin/x -y z", "invalid syntax: %h/bin/x -y z; ", percent},
		{"{{.Names}}", "invalid syntax: {{.Names}}; ", braces},
		{"docker ps --format '{{.ID}}'", "docker ps --format '{{.ID}}'; ", braces},
		{"{{#if x}}", "{{#if x}}; ", braces},
		{"%include(x", "'(' was never closed: %include(x; ", percent},
		{"<% x = %>", "invalid syntax: <% x = %>", ""},
		{"% x = 'ä" + strings.Repeat("ä", 100) + "' y", "ää…; ", percent},
	} {
		errs := New(Options{RawHeader: "## raw"}).Check("web", "fine\r\n"+tt.line+"\r\nfine\r\n", nil)
		if len(errs) == 0 || errs[0].Line != 2 || !strings.Contains(errs[0].Message, tt.quoted) || !strings.Contains(errs[0].Message, tt.hint) {
			t.Errorf("%s: %v, want %s%s", tt.line, errs, tt.quoted, tt.hint)
		}
	}
}

func TestAnUnknownNameAfterPercent(t *testing.T) {
	if _, err := renderText(t, Options{}, "fine\n%h/bin/x\n", nil); err == nil || !strings.Contains(err.Error(), "'h' is not defined: %h/bin/x; a line that begins with % is code") {
		t.Errorf("error %v", err)
	}
}

func TestUnknownModulesNameTheKnown(t *testing.T) {
	for _, module := range []string{"asyncio", "statistics", "decimal", "subprocess", "os.popen"} {
		errs := New(Options{}).Check("web", "% import "+module+"\n", nil)
		if len(errs) != 1 || !strings.Contains(errs[0].Message, "can import base64, collections, ") || strings.Contains(errs[0].Message, "host") {
			t.Errorf("%s: %v", module, errs)
		}
	}
}

// A text without code has no limits of its own.
func TestPlainTextPasses(t *testing.T) {
	text := strings.Repeat("echo $HOME {brace} \\% 100%\n", 1<<10)
	opts := Options{Limits: Limits{Output: 1 << 10, Memory: 1 << 10, Steps: 10}}
	if got, err := renderText(t, opts, text, nil); err != nil || got != text {
		t.Errorf("%d bytes of %d (%v)", len(got), len(text), err)
	}
	if got, err := renderText(t, opts, text+"{{1}}", nil); err == nil || !strings.Contains(err.Error(), "MemoryError") {
		t.Errorf("with code: %d bytes (%v)", len(got), err)
	}
	for source, want := range map[string]string{"": "", "%% x\n": "% x\n", "\\% x\n": "% x\n"} {
		if got, err := renderText(t, Options{}, source, nil); err != nil || got != want {
			t.Errorf("%q: %q, want %q (%v)", source, got, want, err)
		}
	}
}
