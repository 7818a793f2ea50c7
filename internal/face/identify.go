package face

import (
	"context"
	"io"
	"net/http"
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
	Caller   caller.Caller // the zero Caller if the sender's address is none
	At       time.Time     // when the answer was whole
	Duration time.Duration // what it took
	Status   int
	Bytes    int64 // of the body
}

// Tell is called after each request.
type Tell func(r *http.Request, a Answer)

// Identified finds out who sends each request, hands that on to next, and
// tells how it was answered.
func Identified(guests caller.Guests, tell Tell, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c, err := caller.Identify(r.Context(), r.RemoteAddr, guests)
		rec := &recorder{ResponseWriter: w, caller: c, status: http.StatusOK}
		if err != nil {
			Refuse(rec, http.StatusBadRequest, "Unknown client")
		} else {
			next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
		}
		now := time.Now()
		tell(r, Answer{Caller: c, At: now, Duration: now.Sub(start), Status: rec.status, Bytes: rec.bytes})
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
