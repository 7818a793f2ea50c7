// Package multipart joins several pieces of user-data into one MIME multipart
// message, the form in which cloud-init takes more than one ("MIME multi-part
// archive" in its documentation; RFC 2046 for the format).
//
// The same parts always give the same bytes, so that a client that compares
// user-data sees no change where there is none.
package multipart

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxLine is the longest line that may stand in a message unencoded (RFC
	// 5322, 2.1.1), in bytes.
	maxLine = 998
	// base64Line is how many bytes a line of base64 encodes, in 76 characters
	// (RFC 2045, 6.8).
	base64Line = 57
)

// ErrTooLarge says that data, unpacked and joined, exceeds the limit.
var ErrTooLarge = errors.New("too large after unpacking and joining")

// Part is one piece: text of any kind that cloud-init knows, a MIME message of
// its own, or either of them compressed with gzip.
type Part struct {
	Name string // becomes the file name
	Body []byte
}

// Join makes one message of the parts, in their order, of at most limit bytes.
// It takes little more memory than the message and the unpacked parts. An
// error names the part.
func Join(parts []Part, limit int) ([]byte, error) {
	entities := make([]entity, 0, len(parts))
	size := 0
	for _, part := range parts {
		e, err := newEntity(part, limit-size)
		if err != nil {
			return nil, fmt.Errorf("part %.100q: %w", part.Name, err)
		}
		if size += e.size(); size > limit {
			return nil, fmt.Errorf("part %.100q: %w", part.Name, ErrTooLarge)
		}
		entities = append(entities, e)
	}
	boundary := boundaryOf(entities)
	var b bytes.Buffer
	b.Grow(size + (len(entities)+2)*(len(boundary)+64))
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\nMIME-Version: 1.0\n", boundary)
	for _, e := range entities {
		fmt.Fprintf(&b, "\n--%s\n", boundary)
		e.writeTo(&b)
	}
	fmt.Fprintf(&b, "\n--%s--\n", boundary)
	if b.Len() > limit {
		return nil, ErrTooLarge
	}
	return b.Bytes(), nil
}

// inflate unpacks a compressed part: cloud-init would, too, but would then
// take a MIME message within for plain text.
func inflate(body []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return body, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("compressed, but damaged: %w", err)
	}
	inflated, err := io.ReadAll(io.LimitReader(zip, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("compressed, but damaged: %w", err)
	case len(inflated) > limit:
		return nil, ErrTooLarge
	}
	return inflated, nil
}

// entity is a part with its headers.
type entity struct {
	headers string
	body    []byte
	encoded bool // the body is written as base64
}

// newEntity unpacks a part. A message stays as it is, within ours.
func newEntity(part Part, limit int) (entity, error) {
	body, err := inflate(part.Body, limit)
	if err != nil || isMessage(body) {
		return entity{body: body}, err
	}
	e := entity{body: body, encoded: !plain(body)}
	encoding := "7bit"
	if e.encoded {
		encoding = "base64"
	}
	e.headers = fmt.Sprintf("Content-Type: %s\nMIME-Version: 1.0\nContent-Transfer-Encoding: %s\nContent-Disposition: %s\n\n",
		contentType(body), encoding, mime.FormatMediaType("attachment", map[string]string{"filename": part.Name}))
	return e, nil
}

// size is the number of bytes that writeTo writes.
func (e *entity) size() int {
	if !e.encoded {
		return len(e.headers) + len(e.body)
	}
	breaks := max(len(e.body)-1, 0) / base64Line
	return len(e.headers) + base64.StdEncoding.EncodedLen(len(e.body)) + breaks
}

// writeTo writes to what never fails: a buffer or a hash.
func (e *entity) writeTo(w io.Writer) {
	_, _ = io.WriteString(w, e.headers)
	if !e.encoded {
		_, _ = w.Write(e.body)
		return
	}
	var line [base64Line/3*4 + 1]byte
	for rest := e.body; len(rest) > 0; {
		n := min(len(rest), base64Line)
		text := base64.StdEncoding.AppendEncode(line[:0], rest[:n])
		if rest = rest[n:]; len(rest) > 0 {
			text = append(text, '\n')
		}
		_, _ = w.Write(text)
	}
}

// isMessage reports whether body is a MIME message already: it begins with
// headers, and Content-Type or MIME-Version is one of them.
func isMessage(body []byte) bool {
	found := false
	for line := range bytes.Lines(body) {
		text := strings.TrimRight(string(line), "\r\n")
		name, _, isHeader := strings.Cut(text, ":")
		folded := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
		switch {
		case text == "":
			return found
		case folded && found:
		case !isHeader || !token(name):
			return false
		case strings.EqualFold(name, "MIME-Version"), strings.EqualFold(name, "Content-Type"):
			found = true
		}
	}
	return false
}

// token reports whether name can be that of a header.
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// beginnings are the first words that tell cloud-init 22.4.2 the kind of
// user-data, longer ones first.
var beginnings = []struct{ prefix, contentType string }{
	{"#cloud-config-archive", "text/cloud-config-archive"},
	{"#cloud-config-jsonp", "text/cloud-config-jsonp"},
	{"## template: jinja", "text/jinja2"},
	{"#cloud-boothook", "text/cloud-boothook"},
	{"#include-once", "text/x-include-once-url"},
	{"#cloud-config", "text/cloud-config"},
	{"#part-handler", "text/part-handler"},
	{"#include", "text/x-include-url"},
	{"#!", "text/x-shellscript"},
}

// windowsScript is how scripts begin that cloudbase-init runs. It takes a part
// of a message for one by its content type.
var windowsScript = regexp.MustCompile(`(?i)^(?:#ps1(?:_sysnative|_x86)?(?:\s|$)|rem\s+cmd(?:\s|$)|<(?:powershell|script)>)`)

// Known reports whether data is of a kind that cloud-init handles in a message as it
// does by itself. Data that exceeds limit bytes after unpacking, or that is damaged, is
// not.
func Known(data []byte, limit int) bool {
	body, err := inflate(data, limit)
	if err != nil {
		return false
	}
	return isMessage(body) || beginning(body) != ""
}

// beginning is the content type of text by its first words, "" if cloud-init knows
// none.
func beginning(body []byte) string {
	text := bytes.TrimLeft(body, " \t\r\n")
	for _, b := range beginnings {
		if len(text) >= len(b.prefix) && strings.EqualFold(string(text[:len(b.prefix)]), b.prefix) {
			return b.contentType
		}
	}
	return ""
}

func contentType(body []byte) string {
	script := bytes.HasPrefix(body, []byte("#!")) // perhaps with an archive at its end
	if !utf8.Valid(body) || !script && bytes.IndexByte(body, 0) >= 0 {
		return "application/octet-stream"
	}
	if known := beginning(body); known != "" {
		return known + `; charset="utf-8"`
	}
	if windowsScript.Match(bytes.TrimLeft(body[:min(len(body), 256)], " \t\r\n")) {
		return `text/x-shellscript; charset="utf-8"`
	}
	return `text/plain; charset="utf-8"`
}

// plain reports whether body can stand in a message as it is: ASCII, in lines
// that are not too long and end in a line feed alone.
func plain(body []byte) bool {
	for line := range bytes.Lines(body) {
		if len(line) > maxLine {
			return false
		}
	}
	for _, c := range body {
		if c > '~' || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// boundaryOf is made from the parts and occurs in none of them.
func boundaryOf(entities []entity) string {
	all := sha256.New()
	for i := range entities {
		if i > 0 {
			all.Write([]byte{0})
		}
		entities[i].writeTo(all)
	}
	for seed := all.Sum(nil); ; {
		boundary := "==mdserver-" + hex.EncodeToString(seed[:12]) + "=="
		if !slices.ContainsFunc(entities, func(e entity) bool { return e.contains(boundary) }) {
			return boundary
		}
		sum := sha256.Sum256(seed)
		seed = sum[:]
	}
}

// contains reports whether the text occurs in the entity. It has a hyphen, and
// base64 has none.
func (e *entity) contains(text string) bool {
	return strings.Contains(e.headers, text) || !e.encoded && bytes.Contains(e.body, []byte(text))
}

// invalid is the index of the first byte that is not UTF-8, or -1.
func invalid(data []byte) int {
	for at := 0; at < len(data); {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return -1
}

// Text unpacks data to at most limit bytes if it is compressed, for a carrier
// that takes only text, such as JSON.
func Text(data []byte, limit int) (string, error) {
	inflated, err := inflate(data, limit)
	if err != nil {
		return "", err
	}
	if at := invalid(inflated); at >= 0 {
		return "", fmt.Errorf("byte %d, in line %d, is not UTF-8, accepted: UTF-8 text, or such text compressed with gzip",
			at+1, bytes.Count(inflated[:at], []byte("\n"))+1)
	}
	return string(inflated), nil
}
