package multipart

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// A message begins with headers and an empty line. One header says that it is a message.
func TestIsMessage(t *testing.T) {
	for body, want := range map[string]bool{
		"Content-Type: text/plain\n\nx":                         true,
		"content-type: text/plain\n\nx":                         true,
		"MIME-Version: 1.0\n\nx":                                true,
		"mime-version: 1.0\r\n\r\nx":                            true,
		"Subject: x\nContent-Type: text/plain\n\nx":             true,
		"Content-Type: text/plain\nX-9-az-AZ-0: x\n\nx":         true,
		"Content-Type: multipart/mixed;\n boundary=\"x\"\n\nx":  true,
		"Content-Type: multipart/mixed;\n\tboundary=\"x\"\n\nx": true,
		"Content-Type: text/plain\n":                            false, // its headers do not end
		"Content-Type: text/plain\nx":                           false,
		"Content-Type: text/plain\nno header\n\nx":              false,
		"Content-Type: text/plain\nno header: x\n\nx":           false,
		"Content-Type: text/plain\n: x\n\nx":                    false,
		" folded: at once\nContent-Type: text/plain\n\nx":       false,
		"\tfolded: at once\nContent-Type: text/plain\n\nx":      false,
		"Subject: x\n\nContent-Type: text/plain\n":              false,
		"\nContent-Type: text/plain\n\nx":                       false,
		"Content-Types: text/plain\n\nx":                        false,
		"":                                                      false,
		"#cloud-config\nContent-Type: x\n\n":                    false,
		"Content-Type\n\n":                                      false,
		"/Content-Type: text/plain\nMIME-Version: 1.0\n\nx":     false,
	} {
		if got := isMessage([]byte(body)); got != want {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	}
}

// The name of a header has letters, digits and hyphens.
func TestToken(t *testing.T) {
	for _, name := range []string{"a", "z", "A", "Z", "0", "9", "-", "X-Mime-1"} {
		if !token(name) {
			t.Errorf("%q is none", name)
		}
	}
	for _, c := range []string{"", "/", ":", "@", "[", "`", "{", " ", "\t", "ä", "_", "\x7f"} {
		if token(c) || c != "" && (token("a"+c) || token(c+"a")) {
			t.Errorf("%q is one", c)
		}
	}
}

// Text of ASCII in lines that are not too long needs no encoding.
func TestPlain(t *testing.T) {
	line := strings.Repeat("x", maxLine-1) + "\n"
	for name, test := range map[string]struct {
		body string
		want bool
	}{
		"text":                        {"#cloud-config\n\ta: ~ \n", true},
		"nothing":                     {"", true},
		"a line of the longest":       {line, true},
		"lines of the longest":        {line + line, true},
		"a line that is too long":     {"x" + line, false},
		"the second line is too long": {"a\nx" + line, false},
		"carriage returns":            {"a\r\n", false},
		"a zero byte":                 {"\x00", false},
		"the last control character":  {"\x1f", false},
		"delete":                      {"\x7f", false},
		"another letter":              {"ä", false},
	} {
		if got := plain([]byte(test.body)); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// The limit holds to the byte, whether the message is packed or not.
func TestLimitToTheByte(t *testing.T) {
	for name, parts := range map[string][]Part{
		"text":       {{"a", []byte("#!/bin/sh\n")}, {"b", []byte("#!/bin/sh\n")}},
		"encoded":    {{"a", []byte("\xff\xfe")}},
		"a message":  {{"a", []byte(message)}},
		"compressed": {{"a", squeeze(t, "#!/bin/sh\n")}},
	} {
		whole, err := Join(parts, roomy)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Join(parts, len(whole)); err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%s, with a limit of its length: %v", name, err)
		}
		for limit := range len(whole) {
			if got, err := Join(parts, limit); !errors.Is(err, ErrTooLarge) || got != nil {
				t.Errorf("%s of %d bytes, with a limit of %d: %d bytes, %v", name, len(whole), limit, len(got), err)
			}
		}
	}
	packed := squeeze(t, "12345")
	if got, err := Text(packed, 5); err != nil || got != "12345" {
		t.Errorf("unpacked to its limit: %q, %v", got, err)
	}
	if _, err := Text(packed, 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("unpacked beyond its limit: %v", err)
	}
}

// cloud-init handles these types in a message as it does on their own.
func TestKnown(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want bool
	}{
		"cloud-config":         {"#cloud-config\n", true},
		"cloud-config alone":   {"#cloud-config", true},
		"a patch of it":        {"#cloud-config-jsonp\n", true},
		"a script":             {"#!/bin/sh\n", true},
		"a message":            {message, true},
		"a script, compressed": {string(squeeze(t, "#!/bin/sh\n")), true},
		"Ignition":             {`{"ignition": {"version": "3.0.0"}}`, false},
		"plain words":          {"words\n", false},
		"too much, compressed": {string(squeeze(t, "#!/bin/sh\n"+strings.Repeat("x", 200))), false},
		"damaged":              {"\x1f\x8b\x08", false},
		"nothing":              {"", false},
		"a script for Windows, which cloud-init does not know": {"#ps1\n", false},
	} {
		if got := Known([]byte(test.body), 200); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if got := contentType([]byte("#cloud-config-jsonp\n")); got != `text/cloud-config-jsonp; charset="utf-8"` {
		t.Errorf("a patch is %s", got)
	}
}

// An error says what is wrong, and where.
func TestWhatIsWrong(t *testing.T) {
	whole := squeeze(t, "#cloud-config\n")
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"the first byte":      {[]byte("\xff"), "byte 1, in line 1, is not UTF-8"},
		"a later one":         {[]byte("a\nbc\xffd"), "byte 5, in line 2, is not UTF-8"},
		"after a replacement": {[]byte("\ufffd\n\n\xff"), "byte 6, in line 3, is not UTF-8"},
		"its header":          {whole[:5], "compressed, but damaged: "},
		"its end":             {whole[:len(whole)-4], "compressed, but damaged: "},
	} {
		if got, err := Text(test.body, roomy); err == nil || !strings.HasPrefix(err.Error(), test.want) || got != "" {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
	if got, err := Text([]byte("a\ufffdb"), roomy); err != nil || got != "a\ufffdb" {
		t.Errorf("a character that stands for others: %q, %v", got, err)
	}
}

// A boundary must not be in the headers or the text of a part. What is encoded has none.
func TestContains(t *testing.T) {
	const boundary = "==mdserver-0=="
	for name, test := range map[string]struct {
		e    entity
		want bool
	}{
		"in the text":                       {entity{body: []byte("a\n--" + boundary + "\n")}, true},
		"in the headers":                    {entity{headers: "filename=" + boundary}, true},
		"in what is encoded":                {entity{body: []byte(boundary), encoded: true}, false},
		"in no part":                        {entity{headers: "a", body: []byte("b")}, false},
		"in the headers of what is encoded": {entity{headers: boundary, encoded: true}, true},
	} {
		if got := test.e.contains(boundary); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Parts have the boundary that other versions of mdserver give them: user-data that a client
// compares does not change with an update. It depends on where one part ends, too.
func TestBoundary(t *testing.T) {
	two := boundaryOf([]entity{{body: []byte("a")}, {body: []byte("b")}})
	if want := "==mdserver-59b271ae1bbcb1d31d419298=="; two != want {
		t.Errorf("it is %s, want %s", two, want)
	}
	seen := map[string]bool{two: true}
	for _, entities := range [][]entity{{{body: []byte("ab")}}, {{body: []byte("ab")}, {}}, {{}, {body: []byte("ab")}}} {
		boundary := boundaryOf(entities)
		if seen[boundary] {
			t.Errorf("%v have the boundary of others", entities)
		}
		seen[boundary] = true
	}
}
