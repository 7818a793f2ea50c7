package httpcommon

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"mdserver/internal/caller"
)

type recorderKey struct{}

// Caller is who sent the request. It is known for every request that came
// through Identified; otherwise it is the zero Caller, which may do nothing.
func Caller(r *http.Request) caller.Caller {
	if rec, ok := r.Context().Value(recorderKey{}).(*recorder); ok {
		return rec.caller
	}
	return caller.Caller{}
}

// Answer is how a request was answered, and who had sent it.
type Answer struct {
	Caller   caller.Caller
	At       time.Time     // when the answer was whole
	Duration time.Duration // what it took
	Status   int
	Bytes    int64 // of the body
}

// LogFunc is called after each request.
type LogFunc func(r *http.Request, a Answer)

// Identify tells who sent a request. Nothing that the request says counts,
// headers such as X-Forwarded-For least of all: a guest could write there what
// it likes.
type Identify func(*http.Request) caller.Caller

// Identified finds out who sends each request, hands that on to next, and
// tells how it was answered.
func Identified(identify Identify, tell LogFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, caller: identify(r), status: http.StatusOK}
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
		now := time.Now()
		tell(r, Answer{Caller: rec.caller, At: now, Duration: now.Sub(start), Status: rec.status, Bytes: rec.bytes})
	})
}

// recorder remembers who sent a request and how it was answered.
type recorder struct {
	http.ResponseWriter
	caller caller.Caller
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// WriteString implements io.StringWriter, so that a text is not copied.
func (r *recorder) WriteString(s string) (int, error) {
	n, err := io.WriteString(r.ResponseWriter, s)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// FromCloudInit reports whether a request is sent by cloud-init, as far as it says.
func FromCloudInit(r *http.Request) bool {
	return strings.HasPrefix(r.UserAgent(), "Cloud-Init/")
}
