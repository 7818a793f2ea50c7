package face

import (
	"net/http"

	"mdserver/internal/caller"
)

// Followed tells note of each request, once it is answered: who sent it and
// with which status it ended. It belongs right behind Identified.
func Followed(note func(r *http.Request, c caller.Caller, status int), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if rec, ok := w.(*recorder); ok {
			note(r, rec.caller, rec.status)
		}
	})
}
