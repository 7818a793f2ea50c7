package stpl

import "strings"

// rawHeader is the first line of a template that is passed through untouched.
// The line itself is dropped.
const rawHeader = "## mdserver: raw"

// Raw tells whether a template is to be passed through untouched, and returns
// what is to be passed through. A header decides, then the content, since a
// compressed file or another binary one is no template, then the suffix
// ".raw", then the site's default.
func Raw(name, source string, byDefault bool) (body string, raw bool) {
	first, rest, _ := strings.Cut(source, "\n")
	if strings.TrimRight(first, " \t\r") == rawHeader {
		return rest, true
	}
	return source, byDefault || strings.HasSuffix(name, ".raw") || binary(source)
}

// binary reports whether source is no text: it has a zero byte, as all
// compressed formats do sooner or later, or begins as gzip does.
func binary(source string) bool {
	return strings.HasPrefix(source, "\x1f\x8b") || strings.IndexByte(source, 0) >= 0
}
