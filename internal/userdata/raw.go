package userdata

import (
	"fmt"
	"regexp"
	"strings"

	"mdserver/internal/tree"
	"mdserver/stpl"
)

// headerLine is a line for mdserver at the top of a template.
var headerLine = regexp.MustCompile(`(?i)^\s*##\s*mdserver\s*:(.*)$`)

// TemplateOptions are the options of an engine that do not depend on a
// configuration: how included files are opened and which of them are raw.
func TemplateOptions() stpl.Options {
	return stpl.Options{
		Open:      tree.Open,
		Raw:       func(name, source string) (string, bool, error) { return Raw(name, source, false) },
		RawHeader: "## mdserver: raw",
	}
}

// headerRaw says that what follows the line is passed through untouched.
const headerRaw = "raw"

// bom is the byte order mark that some editors put before UTF-8 text.
const bom = "\ufeff"

// Raw reports whether a file is sent as it is, without rendering, and returns the
// bytes to send. A header decides, then the content, because a compressed or other
// binary file is not a template, then the suffix ".raw", then the site's default.
// The error is an *Error for a header that is not known or not the first line.
func Raw(name, source string, byDefault bool) (body string, raw bool, err error) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(source, bom), "\n")
	if word, ok := header(first); ok {
		if word != headerRaw {
			return "", false, &stpl.Error{File: name, Line: 1, Kind: "SyntaxError", Message: fmt.Sprintf("unknown header %.100q, accepted: raw", word)}
		}
		return rest, true, nil
	}
	if byDefault || strings.HasSuffix(name, ".raw") || binary(source) {
		return source, true, nil
	}
	if line := misplacedHeader(source); line > 0 {
		return "", false, &stpl.Error{File: name, Line: line, Kind: "SyntaxError", Message: "the header ## mdserver: raw must be the first line"}
	}
	return source, false, nil
}

// header returns the word of a header line, in lower case.
func header(line string) (word string, ok bool) {
	found := headerLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
	if found == nil {
		return "", false
	}
	return strings.ToLower(strings.TrimSpace(found[1])), true
}

// misplacedHeader is the line of a header that is not the first one, or 0.
// Further to the right it is text, of a file that the guest is to write for
// instance.
func misplacedHeader(source string) int {
	if !strings.Contains(source, "\n##") {
		return 0
	}
	number := 0
	for line := range strings.Lines(source) {
		number++
		if word, ok := header(line); ok && word == headerRaw && line[0] == '#' {
			return number
		}
	}
	return 0
}

// binary reports whether source is no text: it has a zero byte, as all
// compressed formats do sooner or later, or begins as gzip does.
func binary(source string) bool {
	return strings.HasPrefix(source, "\x1f\x8b") || strings.IndexByte(source, 0) >= 0
}

// HasMark reports whether a template begins with a byte order mark, which hides
// its first words from cloud-init.
func HasMark(source string) bool { return strings.HasPrefix(source, bom) }

// MarkWarning says what is wrong with such a template.
const MarkWarning = "the template begins with a byte order mark, which cloud-init does not accept; save it as UTF-8 without one"
