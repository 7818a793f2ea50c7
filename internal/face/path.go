package face

import (
	"net/http"
	"net/url"
	"strings"
)

// Normalise gives every request a path in normal form before next sees it:
// one leading slash, no doubled ones. Guests are never redirected: Amazon's
// own ec2-metadata asks for /latest//meta-data/… with a curl that follows no
// redirect, and net/http's mux would answer 301. A path with "." or ".."
// segments names nothing here and is not found.
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
	if strings.HasPrefix(path, "/") && !strings.Contains(path, "//") {
		return path
	}
	var b strings.Builder
	b.WriteByte('/')
	slash := true
	for i := range len(path) {
		if path[i] == '/' && slash {
			continue
		}
		slash = path[i] == '/'
		b.WriteByte(path[i])
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
