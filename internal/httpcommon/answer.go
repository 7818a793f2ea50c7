// Package httpcommon holds what all HTTP interfaces of the server share: the
// normal form of a path, the hosts that requests may be for, who is asking, the
// form of answers and refusals, and the log line of a request.
package httpcommon

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"mdserver/internal/caller"
)

// Content types. Metadata is text; user-data is what the administrator wrote, and
// must reach the guest byte for byte.
const (
	TypeText  = "text/plain; charset=utf-8"
	TypeBytes = "application/octet-stream"
)

// Text answers a request with a value: no newline is added, or cloud-init
// would take a single value for a list.
func Text(w http.ResponseWriter, value string) {
	begin(w, http.StatusOK, TypeText, len(value))
	_, _ = io.WriteString(w, value) // a guest that hangs up is not the server's fault
}

// Bytes answers a request with a body as it is.
func Bytes(w http.ResponseWriter, contentType string, body []byte) {
	begin(w, http.StatusOK, contentType, len(body))
	_, _ = w.Write(body)
}

// begin sends the header of an answer whose body is length bytes long. Without
// the length, net/http sends a longer body in chunks, which small clients such
// as a boot loader's may not understand, and a HEAD gets no length at all.
func begin(w http.ResponseWriter, status int, contentType string, length int) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(status)
}

// Listing answers with the names in a directory, one a line.
func Listing(w http.ResponseWriter, names []string) {
	Text(w, strings.Join(names, "\n"))
}

// UnknownClient refuses a client that owns no guest's address, with 400 as the
// Python mdserver does: scripts may rely on it.
func UnknownClient(w http.ResponseWriter, c caller.Caller) {
	Refuse(w, http.StatusBadRequest, "Unknown client: "+c.Addr.String())
}

// Unauthorised refuses a client that must not do what it asks.
func Unauthorised(w http.ResponseWriter, c caller.Caller) {
	Refuse(w, http.StatusUnauthorized, "Unauthorised client: "+c.Addr.String())
}

// NotFound says that a resource does not exist; what says it in more detail.
func NotFound(w http.ResponseWriter, what string) {
	Refuse(w, http.StatusNotFound, "Resource not found: "+what)
}

// NoSuchPath is NotFound for a path that no route leads to.
func NoSuchPath(w http.ResponseWriter, r *http.Request) {
	quoted := strconv.Quote(r.URL.Path)
	NotFound(w, "Not found: '"+quoted[1:len(quoted)-1]+"'")
}

// Refuse answers with an error status and its reason.
func Refuse(w http.ResponseWriter, status int, reason string) {
	begin(w, status, TypeText, len(reason))
	_, _ = io.WriteString(w, reason)
}

// OnlyReads answers 405 to everything but GET and HEAD and reports whether
// the request may go on.
func OnlyReads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	Refuse(w, http.StatusMethodNotAllowed, "Method not allowed: "+r.Method)
	return false
}
