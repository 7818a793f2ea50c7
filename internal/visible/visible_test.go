package visible

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var texts = []struct{ name, in, want string }{
	{"plain", "/latest/meta-data/", "/latest/meta-data/"},
	{"letters of all languages", "büro-ж-東京-😀", "büro-ж-東京-😀"},
	{"quotes and backslashes", `a"b\c`, `a"b\c`},
	{"escape sequence", "\x1b[31mred", `\x1b[31mred`},
	{"line breaks", "a\nb\r\nc\td", `a\nb\r\nc\td`},
	{"NUL and DEL", "\x00\x7f", `\x00\x7f`},
	{"DEL alone, which slog does not quote", "a\x7fb", `a\x7fb`},
	{"C1 and NEL", "\u009b31m\u0085", `\u009b31m\u0085`},
	{"C1 as bytes", "\x9b31m", `\x9b31m`},
	{"half a character", "\xe2\x82", `\xe2\x82`},
	{"surrogates in UTF-8", "\xed\xa0\x80", `\xed\xa0\x80`},
	{"overlong escape", "\xc0\x9b", `\xc0\x9b`},
	{"directions", "a\u202eb\u2066c\u200f\u061c", `a\u202eb\u2066c\u200f\u061c`},
	{"line and paragraph separators", "a\u2028b\u2029", `a\u2028b\u2029`},
	{"no width", "a\u200bb\u2060c\ufeff", `a\u200bb\u2060c\ufeff`},
	{"tags", "a\U000e0041b", `a\U000e0041b`},
	{"variation selectors", "a\ufe0f\U000e0100", `a\ufe0f\U000e0100`},
	{"fillers and blanks", "\u3164\u115f\uffa0\u2800\u034f", `\u3164\u115f\uffa0\u2800\u034f`},
	{"other spaces", "a\u00a0b\u3000", `a\u00a0b\u3000`},
	{"private and unassigned", "\ue000\U0010ffff\u0378", `\ue000\U0010ffff\u0378`},
	{"replacement character", "\ufffd", "\ufffd"},
}

func TestString(t *testing.T) {
	for _, tt := range texts {
		t.Run(tt.name, func(t *testing.T) {
			if got := String(tt.in); got != tt.want {
				t.Errorf("String: %q, want %q", got, tt.want)
			}
			var out bytes.Buffer
			w := &Writer{W: &out}
			for i := range len(tt.in) { // characters come in pieces
				if _, err := w.Write([]byte{tt.in[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(tt.want)
			if out.String() != want {
				t.Errorf("Writer: %q, want %q", &out, want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"0123456789", 10, "0123456789"},
		{"01234567890", 10, "0123456…"},
		{`""""""""""`, 10, `""""""""""`},
		{"\x1b\x1b\x1b\x1b", 12, `\x1b\x1b…`},
		{"\x1b\x1b\x1b", 12, `\x1b\x1b\x1b`},
		{"ääääää", 10, "äää…"},
	} {
		if got := Limit(tt.in, tt.limit); got != tt.want {
			t.Errorf("Limit(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestEscapeJSON(t *testing.T) {
	for _, tt := range texts {
		var plain bytes.Buffer
		enc := json.NewEncoder(&plain)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{tt.in: tt.in}); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, plain.Bytes())
	}
}

// sameJSON checks that an escaped JSON text shows all and means the same.
func sameJSON(t *testing.T, text []byte) {
	t.Helper()
	escaped := EscapeJSON(text)
	mustBeVisible(t, string(escaped), "\r\n\t")
	var want, got any
	if err := json.Unmarshal(text, &want); err != nil {
		return // whatever is no JSON need not become any
	}
	if err := json.Unmarshal(escaped, &got); err != nil {
		t.Fatalf("%q became %q: %v", text, escaped, err)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%q became %q", want, got)
	}
}

func mustBeVisible(t *testing.T, text, also string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("no UTF-8: %q", text)
	}
	for _, r := range text {
		if !Rune(r) && !strings.ContainsRune(also, r) {
			t.Errorf("%U is left in %q", r, text)
		}
	}
}

// Whatever a log is told, a record is one line of visible characters.
func TestAttr(t *testing.T) {
	for _, tt := range texts {
		values := []any{tt.in, errors.New(tt.in), []string{tt.in, "b"}, struct{ A string }{tt.in}, netip.Addr{}.WithZone(tt.in), io.EOF}
		var text, asJSON bytes.Buffer
		for out, handler := range map[*bytes.Buffer]slog.Handler{
			&text:   slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: Attr}),
			&asJSON: slog.NewJSONHandler(JSON{&asJSON}, &slog.HandlerOptions{ReplaceAttr: Attr}),
		} {
			log := slog.New(handler)
			for _, value := range values {
				out.Reset()
				log.Error(tt.in, "value", value)
				log.Error(strings.Repeat(tt.in, 100_000), "value", strings.Repeat(tt.in, 10_000))
				mustBeVisible(t, out.String(), "\n")
				if lines := strings.Count(out.String(), "\n"); lines != 2 || out.Len() > 2*(maxMessage+maxField) {
					t.Errorf("%s: %d lines of %d bytes", tt.name, lines, out.Len())
				}
			}
		}
		for line := range strings.Lines(asJSON.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", tt.name, line)
			}
		}
	}
}

// textMarshaler is a value that says itself how it is written.
type textMarshaler struct{ fails bool }

func (m textMarshaler) MarshalText() ([]byte, error) {
	if m.fails {
		return nil, io.EOF
	}
	return []byte("10.0.0.5\ufe0f"), nil
}

// A message may be as long as a stack, and a field may not, whatever it is called. What is no
// text stays what it is.
func TestAttrByKind(t *testing.T) {
	long, group := strings.Repeat("x", 2*maxField), []string{"request"}
	cut := strings.Repeat("x", maxField-len(ellipsis)) + ellipsis
	for name, tt := range map[string]struct {
		groups []string
		attr   slog.Attr
		want   slog.Value
	}{
		"a message":           {nil, slog.String("msg", long), slog.StringValue(long)},
		"a field":             {nil, slog.String("path", long), slog.StringValue(cut)},
		"a field named msg":   {group, slog.String("msg", long), slog.StringValue(cut)},
		"an error":            {nil, slog.Any("error", errors.New(long)), slog.StringValue(cut)},
		"a list":              {nil, slog.Any("names", []string{long, "b\ufe0f"}), slog.AnyValue([]string{cut, `b\ufe0f`})},
		"a value with a text": {nil, slog.Any("addr", textMarshaler{}), slog.StringValue(`10.0.0.5\ufe0f`)},
		"one that has none":   {nil, slog.Any("addr", textMarshaler{true}), slog.StringValue("{fails:true}")},
		"any other value":     {nil, slog.Any("x", struct{ A string }{"b\ufe0f"}), slog.StringValue(`{A:b\ufe0f}`)},
		"a level":             {nil, slog.Any("level", slog.LevelWarn), slog.AnyValue(slog.LevelWarn)},
		"a number":            {nil, slog.Int("n", 7), slog.IntValue(7)},
	} {
		got := Attr(tt.groups, tt.attr)
		if got.Key != tt.attr.Key || fmt.Sprintf("%v %v", got.Value.Kind(), got.Value) != fmt.Sprintf("%v %v", tt.want.Kind(), tt.want) {
			t.Errorf("%s: %s %.40v, want %s %.40v", name, got.Value.Kind(), got.Value, tt.want.Kind(), tt.want)
		}
	}
}

// full is a disk without space.
type full struct{ io.Writer }

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Both writers report that all of the text was taken, or why not.
func TestWriters(t *testing.T) {
	const text = "a\x1bb\n"
	for name, newWriter := range map[string]func(io.Writer) io.Writer{
		"text": func(w io.Writer) io.Writer { return &Writer{W: w} },
		"JSON": func(w io.Writer) io.Writer { return JSON{w} },
	} {
		if n, err := io.WriteString(newWriter(io.Discard), text); n != len(text) || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if n, err := io.WriteString(newWriter(full{}), text); n != 0 || !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s on a full disk: %d, %v", name, n, err)
		}
	}
	w := &Writer{W: full{}}
	if _, err := io.WriteString(w, "\xe2\x82"); err != nil { // half a character waits
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func FuzzVisible(f *testing.F) {
	for _, tt := range texts {
		f.Add(tt.in, 10)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 8 + limit&0xff
		shown := String(s)
		mustBeVisible(t, shown, "")
		if String(shown) != shown {
			t.Errorf("String is not stable for %q", s)
		}
		limited := Limit(s, limit)
		mustBeVisible(t, limited, "")
		if len(limited) > limit || Limit(limited, limit) != limited {
			t.Errorf("Limit(%q, %d) = %q of %d bytes", s, limit, limited, len(limited))
		}
		quoted := strconv.Quote(Quotable(s, limit))
		mustBeVisible(t, quoted, "")
		if len(quoted) > limit+len(`""`) {
			t.Errorf("Quotable(%q, %d) takes %d bytes: %s", s, limit, len(quoted), quoted)
		}
		if len(shown) <= limit && limited != shown {
			t.Errorf("Limit(%q, %d) cuts %q", s, limit, limited)
		}
		sameJSON(t, []byte(s))
		if text, err := json.Marshal(s); err == nil {
			sameJSON(t, text)
		}
	})
}

func BenchmarkQuotable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Quotable("/2021-03-23/meta-data/instance-id", 256)
	}
}
