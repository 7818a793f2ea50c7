package httpcommon

import (
	"net/http"
	"net/url"
	"strings"
)

// Normalise gives every request a path in normal form before next sees it:
// one leading slash, no doubled ones, and none at the end except in "/" itself.
// A value or a directory therefore gives the same answer with a trailing slash
// and without: botocore, facter, ohai and EC2 Instance Connect ask for values
// with one. Guests are never redirected: Amazon's own ec2-metadata asks for
// /latest//meta-data/… with a curl that follows no redirect, and net/http's mux
// would answer 301. A path with "." or ".." segments names nothing here and is
// not found.
func Normalise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := collapse(r.URL.Path)
		if hasDots(path) {
			NoSuchPath(w, r)
			return
		}
		if path != r.URL.Path || r.URL.RawPath != "" {
			clone := *r
			clone.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
			r = &clone
		}
		next.ServeHTTP(w, r)
	})
}

func collapse(path string) string {
	if strings.HasPrefix(path, "/") && !strings.Contains(path, "//") && (path == "/" || !strings.HasSuffix(path, "/")) {
		return path
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			b.WriteByte('/')
			b.WriteString(segment)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func hasDots(path string) bool {
	if !strings.Contains(path, "/.") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
