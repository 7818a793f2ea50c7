package multipart

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// roomy is a limit that is not in the way.
const roomy = 1 << 20

func squeeze(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if _, err := zip.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentTypes(t *testing.T) {
	const script, text = "text/x-shellscript", "text/plain"
	for body, want := range map[string]string{
		"#ps1\nGet-Date\n": script, "#ps1_sysnative\r\nGet-Date\r\n": script, "#PS1_X86\n": script, "#ps1": script,
		"<powershell>\nGet-Date\n</powershell>": script, "<PowerShell>": script, "<script>\necho x\n</script>": script,
		"rem cmd\necho x\n": script, "REM CMD\r\necho x\r\n": script, "\n rem  cmd \n": script,
		"#!/bin/sh\nexit\n\x00\x01archive": script, "#!/bin/sh\n": script,
		"#ps10\n": text, "#ps1_other\n": text, "rem cmdline\n": text, "remark\n": text, "<scripts>": text, "<html>": text, "": text,
		"text\x00": "application/octet-stream", "#!/bin/sh\n\xff": "application/octet-stream",
		"#cloud-config\n": "text/cloud-config", "#include\n": "text/x-include-url",
	} {
		if got, _, _ := strings.Cut(contentType([]byte(body)), ";"); got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
	}
}

// piece is a part as the receiver sees it.
type piece struct{ Name, Type, Body string }

// receive takes a message apart as cloud-init does: containers are walked
// through, transfer encodings are undone.
func receive(t testing.TB, message []byte) []piece {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	return walk(t, m.Header.Get("Content-Type"), m.Body)
}

func walk(t testing.TB, contentType string, body io.Reader) []piece {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	var pieces []piece
	reader := stdmultipart.NewReader(body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return pieces
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kind, "multipart/") {
			pieces = append(pieces, walk(t, part.Header.Get("Content-Type"), part)...)
			continue
		}
		var content io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "base64" {
			content = base64.NewDecoder(base64.StdEncoding, part)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, piece{part.FileName(), kind, string(data)})
	}
}

const (
	message = "Content-Type: multipart/mixed; boundary=\"xyz\"\nMIME-Version: 1.0\n\n--xyz\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho within\n--xyz--\n"
	single  = "MIME-Version: 1.0\r\nContent-Type: text/cloud-config;\r\n charset=\"us-ascii\"\r\n\r\nlocale: C\r\n"
)

func TestEachPartArrivesByteForByte(t *testing.T) {
	long := "#cloud-config\n# " + strings.Repeat("x", 2000) + "\n"
	tests := []struct {
		name, body string
		want       piece
	}{
		{"base", "#cloud-config\nlocale: C\n", piece{"base", "text/cloud-config", "#cloud-config\nlocale: C\n"}},
		{"no line feed at the end", "#!/bin/true", piece{"no line feed at the end", "text/x-shellscript", "#!/bin/true"}},
		{"several at the end", "#!/bin/true\n\n\n", piece{"several at the end", "text/x-shellscript", "#!/bin/true\n\n\n"}},
		{"roles/web", "\n #Cloud-Config\n{}\n", piece{"web", "text/cloud-config", "\n #Cloud-Config\n{}\n"}}, // Go shows the last element
		{"archive", "#cloud-config-archive\n[]", piece{"archive", "text/cloud-config-archive", "#cloud-config-archive\n[]"}},
		{"once", "#include-once\nhttp://x/", piece{"once", "text/x-include-once-url", "#include-once\nhttp://x/"}},
		{"include", "#include\nhttp://x/", piece{"include", "text/x-include-url", "#include\nhttp://x/"}},
		{"hook", "#cloud-boothook\n#!/bin/sh\n", piece{"hook", "text/cloud-boothook", "#cloud-boothook\n#!/bin/sh\n"}},
		{"handler", "#part-handler\n", piece{"handler", "text/part-handler", "#part-handler\n"}},
		{"jinja", "## template: jinja\n#cloud-config\n", piece{"jinja", "text/jinja2", "## template: jinja\n#cloud-config\n"}},
		{"carriage returns", "#cloud-config\r\na: b\r\n", piece{"carriage returns", "text/cloud-config", "#cloud-config\r\na: b\r\n"}},
		{"Grüße", "#cloud-config\nmotd: Grüße\n", piece{"Grüße", "text/cloud-config", "#cloud-config\nmotd: Grüße\n"}},
		{`quo"ted`, "plain words", piece{`quo"ted`, "text/plain", "plain words"}},
		{"long lines", long, piece{"long lines", "text/cloud-config", long}},
		{"binary", "\x00\x01\xff", piece{"binary", "application/octet-stream", "\x00\x01\xff"}},
		{"empty", "", piece{"empty", "text/plain", ""}},
		{"compressed", string(squeeze(t, "#!/bin/sh\n")), piece{"compressed", "text/x-shellscript", "#!/bin/sh\n"}},
		{"message", message, piece{"", "text/x-shellscript", "#!/bin/sh\necho within"}},
		{"compressed message", string(squeeze(t, message)), piece{"", "text/x-shellscript", "#!/bin/sh\necho within"}},
		{"message of one", single, piece{"", "text/cloud-config", "locale: C\r\n"}},
		{"a key that looks like a header", "Content: a\n\nb", piece{"a key that looks like a header", "text/plain", "Content: a\n\nb"}},
	}
	last := Part{"last", []byte("#!/bin/sh\necho last\n")}
	for _, tt := range tests {
		joined, err := Join([]Part{{tt.name, []byte(tt.body)}, last}, roomy)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := []piece{tt.want, {"last", "text/x-shellscript", "#!/bin/sh\necho last\n"}}
		if diff := cmp.Diff(want, receive(t, joined)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestTheWholeMessage(t *testing.T) {
	got, err := Join([]Part{{"base", []byte("#cloud-config\nlocale: C\n")}, {"greeting", []byte("#!/bin/sh\necho Grüße\n")}}, roomy)
	if err != nil {
		t.Fatal(err)
	}
	want := `Content-Type: multipart/mixed; boundary="BOUNDARY"
MIME-Version: 1.0

--BOUNDARY
Content-Type: text/cloud-config; charset="utf-8"
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename=base

#cloud-config
locale: C

--BOUNDARY
Content-Type: text/x-shellscript; charset="utf-8"
MIME-Version: 1.0
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=greeting

IyEvYmluL3NoCmVjaG8gR3LDvMOfZQo=
--BOUNDARY--
`
	boundary := strings.Split(string(got), `"`)[1]
	if diff := cmp.Diff(strings.ReplaceAll(want, "BOUNDARY", boundary), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheSamePartsGiveTheSameBytes(t *testing.T) {
	join := func(parts ...Part) string {
		t.Helper()
		got, err := Join(parts, roomy)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	a, b := Part{"a", []byte("#!/bin/a")}, Part{"b", []byte("#!/bin/b")}
	if first, second := join(a, b), join(a, b); first != second {
		t.Error("the same parts give different messages")
	}
	// A part that holds the boundary which these parts would have.
	boundary := strings.Split(join(a), `"`)[1]
	evil := Part{"evil", []byte("#!/bin/sh\n--" + boundary + "--\n")}
	if got := receive(t, []byte(join(a, evil))); len(got) != 2 || got[1].Body != string(evil.Body) {
		t.Errorf("%q", got)
	}
}

func TestDamagedPartsAreNamed(t *testing.T) {
	bomb := squeeze(t, strings.Repeat("a", roomy+1))
	whole := squeeze(t, "#cloud-config\n")
	for name, body := range map[string][]byte{"cut": whole[:len(whole)-4], "header": whole[:5], "bomb": bomb} {
		_, err := Join([]Part{{"good", []byte("#!/bin/true")}, {name, body}}, roomy)
		if err == nil || !strings.Contains(err.Error(), `part "`+name+`"`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The limit is on what the guest would get: unpacked, encoded, joined.
func TestJoinIsBounded(t *testing.T) {
	part := func(name string, n int) Part { return Part{name, []byte(strings.Repeat("x\n", n/2))} }
	binary := Part{"binary", bytes.Repeat([]byte{0xff}, 80_000)}
	zipped := Part{"zipped", squeeze(t, strings.Repeat("x\n", 45_000))}
	const limit = 100_000
	tests := []struct {
		name  string
		parts []Part
		fits  bool
	}{
		{"one", []Part{part("a", 90_000)}, true},
		{"several", []Part{part("a", 45_000), part("b", 45_000)}, true},
		{"too many", []Part{part("a", 45_000), part("b", 45_000), part("c", 45_000)}, false},
		{"encoded", []Part{binary}, false},
		{"packed", []Part{zipped}, true},
		{"packed twice", []Part{zipped, zipped}, false},
		{"headers", slices.Repeat([]Part{{"a", nil}}, 1000), false},
	}
	for _, tt := range tests {
		joined, err := Join(tt.parts, limit)
		if fits := err == nil; fits != tt.fits || !fits && !errors.Is(err, ErrTooLarge) || len(joined) > limit {
			t.Errorf("%s: %d bytes, %v", tt.name, len(joined), err)
		}
	}
}

func TestEncodedBodies(t *testing.T) {
	for n := range 3 * base64Line {
		body := bytes.Repeat([]byte{0xff}, n)
		joined, err := Join([]Part{{"a", body}}, roomy)
		if err != nil {
			t.Fatal(err)
		}
		if got := receive(t, joined); len(got) != 1 || got[0].Body != string(body) {
			t.Errorf("%d bytes arrive as %q", n, got)
		}
		e, err := newEntity(Part{"a", body}, roomy)
		var b bytes.Buffer
		e.writeTo(&b)
		if err != nil || b.Len() != e.size() {
			t.Errorf("%d bytes: %d written, size is %d (%v)", n, b.Len(), e.size(), err)
		}
	}
}

func TestText(t *testing.T) {
	for _, data := range [][]byte{[]byte("#cloud-config\n"), squeeze(t, "#cloud-config\n")} {
		if got, err := Text(data, roomy); err != nil || got != "#cloud-config\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, data := range []string{"\xff\xfe", "\x1f\x8b\x08"} {
		if got, err := Text([]byte(data), roomy); err == nil {
			t.Errorf("%q becomes %q", data, got)
		}
	}
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte("#cloud-config\n"), []byte(message))
	f.Add([]byte(single), squeeze(f, "x"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		joined, err := Join([]Part{{"a", a}, {"b", b}}, roomy)
		if err != nil || isMessage(a) || isMessage(b) || bytes.HasPrefix(a, []byte("\x1f\x8b")) || bytes.HasPrefix(b, []byte("\x1f\x8b")) {
			return
		}
		got := receive(t, joined)
		if len(got) != 2 || got[0].Body != string(a) || got[1].Body != string(b) {
			t.Errorf("%q and %q arrive as %q", a, b, got)
		}
	})
}
