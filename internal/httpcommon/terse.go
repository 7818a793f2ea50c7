package httpcommon

import (
	"net/http"
	"strings"
)

// Terse has errors sent without their text to clients that stumble over one.
//
// systemd-imdsd (261, 262) breaks the transfer off when the text of an error
// arrives, and then takes the connection for broken. So it does not learn from 404
// that a value is absent, and gets no other token after 401.
func Terse(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "systemd-imdsd/") {
			w = &terse{ResponseWriter: w}
		}
		next.ServeHTTP(w, r)
	})
}

// terse drops the body of an error.
type terse struct {
	http.ResponseWriter
	failed bool
}

func (t *terse) WriteHeader(status int) {
	if t.failed = status >= http.StatusBadRequest; t.failed {
		t.Header().Del("Content-Type")
		t.Header().Set("Content-Length", "0")
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *terse) Write(p []byte) (int, error) {
	if t.failed {
		return len(p), nil
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *terse) Unwrap() http.ResponseWriter { return t.ResponseWriter }
