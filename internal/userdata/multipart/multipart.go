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
	"strings"
	"unicode/utf8"
)

const (
	// maxInflated bounds what a compressed part may grow to, in bytes.
	maxInflated = 16 << 20
	// maxLine is the longest line that may stand in a message unencoded (RFC
	// 5322, 2.1.1), in bytes.
	maxLine = 998
	// base64Line is the length of a line of base64 (RFC 2045, 6.8).
	base64Line = 76
)

// Part is one piece: text of any kind that cloud-init knows, a MIME message of
// its own, or either of them compressed with gzip.
type Part struct {
	Name string // becomes the file name
	Body []byte
}

// Join makes one message of the parts, in their order. An error names the part.
func Join(parts []Part) ([]byte, error) {
	entities := make([][]byte, 0, len(parts))
	for _, part := range parts {
		body, err := inflate(part.Body)
		if err != nil {
			return nil, fmt.Errorf("part %q: %w", part.Name, err)
		}
		entities = append(entities, entity(part.Name, body))
	}
	boundary := boundaryOf(entities)
	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\nMIME-Version: 1.0\n", boundary)
	for _, e := range entities {
		fmt.Fprintf(&b, "\n--%s\n%s", boundary, e)
	}
	fmt.Fprintf(&b, "\n--%s--\n", boundary)
	return b.Bytes(), nil
}

// inflate unpacks a compressed part: cloud-init would, too, but would then
// take a MIME message within for plain text.
func inflate(body []byte) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return body, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("compressed, but damaged: %w", err)
	}
	inflated, err := io.ReadAll(io.LimitReader(zip, maxInflated+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("compressed, but damaged: %w", err)
	case len(inflated) > maxInflated:
		return nil, fmt.Errorf("unpacks to more than %d bytes", maxInflated)
	}
	return inflated, nil
}

// entity is a part with its headers. A message stays as it is, within ours.
func entity(name string, body []byte) []byte {
	if isMessage(body) {
		return body
	}
	var b bytes.Buffer
	encoding := "7bit"
	if !plain(body) {
		encoding = "base64"
	}
	fmt.Fprintf(&b, "Content-Type: %s\nMIME-Version: 1.0\nContent-Transfer-Encoding: %s\n", contentType(body), encoding)
	fmt.Fprintf(&b, "Content-Disposition: %s\n\n", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if encoding == "7bit" {
		b.Write(body)
		return b.Bytes()
	}
	text := base64.StdEncoding.EncodeToString(body)
	for len(text) > base64Line {
		b.WriteString(text[:base64Line] + "\n")
		text = text[base64Line:]
	}
	b.WriteString(text)
	return b.Bytes()
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

// beginnings are the first words by which cloud-init 22.4.2 tells user-data
// from user-data, longer ones first.
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

func contentType(body []byte) string {
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return "application/octet-stream"
	}
	text := strings.TrimLeft(string(body[:min(len(body), 256)]), " \t\r\n")
	for _, b := range beginnings {
		if len(text) >= len(b.prefix) && strings.EqualFold(text[:len(b.prefix)], b.prefix) {
			return b.contentType + `; charset="utf-8"`
		}
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
func boundaryOf(entities [][]byte) string {
	all := bytes.Join(entities, []byte{0})
	for seed := all; ; {
		sum := sha256.Sum256(seed)
		boundary := "==mdserver-" + hex.EncodeToString(sum[:12]) + "=="
		if !bytes.Contains(all, []byte(boundary)) {
			return boundary
		}
		seed = sum[:]
	}
}

// Text unpacks data if it is compressed, for a carrier that takes only text,
// such as JSON.
func Text(data []byte) (string, error) {
	inflated, err := inflate(data)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(inflated) {
		return "", errors.New("binary data, accepted: text, or text compressed with gzip")
	}
	return string(inflated), nil
}
