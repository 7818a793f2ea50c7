// Package report takes what guests say of their boot: cloud-init's stages as they
// go, how it ended, and the public host keys.
//
//	POST /mdserver/report       an event of cloud-init's webhook, JSON
//	POST /mdserver/phone-home   cloud-init's phone_home, a form
//	POST /mdserver/status       /run/cloud-init/status.json
//	POST /mdserver/host-keys    public host keys, one a line
//
// A guest reports for itself only, and each path makes one kind of entry. What a
// guest writes is bounded and safe to print. The answer is 204, or 200 with host
// certificates, before anything is written to a disk.
//
// [Parts] is what makes cloud-init report.
package report

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

// Name is the first name of all paths.
const Name = "mdserver"

// MaxBody is the most that a report may have, in bytes. The largest is a status
// with many errors.
const MaxBody = 64 << 10

// A Timeline keeps what happened in the boots of guests. Note does not wait for a
// disk.
type Timeline interface {
	Note(guest uuid.UUID, entry api.BootEntry)
}

// HostKeys are the host keys of guests. Neither method waits for a disk.
type HostKeys interface {
	// Keep replaces the keys of a guest.
	Keep(guest uuid.UUID, keys []ssh.PublicKey)
	// Certify returns certificates for keys of a guest, none if the server signs none.
	Certify(ctx context.Context, guest uuid.UUID, keys []ssh.PublicKey) []*ssh.Certificate
}

// Reports takes the reports of all guests. Make it with New; it is safe for
// concurrent use.
type Reports struct {
	timeline Timeline
	hostKeys HostKeys
	rates    rates
	now      func() time.Time
}

// New makes the receiver of reports.
func New(timeline Timeline, hostKeys HostKeys) *Reports {
	return &Reports{timeline: timeline, hostKeys: hostKeys, now: time.Now}
}

// Forget drops what is remembered of a guest that is gone.
func (s *Reports) Forget(guest uuid.UUID) { s.rates.forget(guest) }

// Accepted reports whether a request, as it was answered, was a report that was noted.
func Accepted(path string, status int) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return name == Name && status < http.StatusMultipleChoices
}

// reader makes an entry from a body. Its error says what is accepted.
type reader func(body []byte) (api.BootEntry, error)

// readers are the reports that have no answer, by the last name of their paths.
var readers = map[string]reader{
	"report":     parseEvent,
	"phone-home": parseHome,
	"status":     parseStatus,
}

const hostKeysName = "host-keys"

// ServeHTTP implements http.Handler for everything from "/mdserver" down; it
// expects a path in normal form and a known caller (see package httpcommon).
func (s *Reports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+Name), "/")
	read, known := readers[name]
	if !known && name != hostKeysName {
		httpcommon.NoSuchPath(w, r)
		return
	}
	guest, ok := s.admit(w, r)
	if !ok {
		return
	}
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	if name == hostKeysName {
		s.takeKeys(w, r, guest, body)
		return
	}
	entry, err := read(body)
	if err != nil {
		httpcommon.Refuse(w, http.StatusBadRequest, "Bad request: "+err.Error())
		return
	}
	s.note(guest, entry)
	w.WriteHeader(http.StatusNoContent)
}

// admit returns the guest that reports, and refuses all others.
func (s *Reports) admit(w http.ResponseWriter, r *http.Request) (*instance.Instance, bool) {
	c := httpcommon.Caller(r)
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		httpcommon.Refuse(w, http.StatusMethodNotAllowed, "Method not allowed: "+r.Method)
	case c.Guest == nil:
		httpcommon.UnknownClient(w, c)
	case !httpcommon.Direct(w, r):
	case !s.rates.allow(c.Guest.UUID, s.now()):
		w.Header().Set("Retry-After", "1")
		httpcommon.Refuse(w, http.StatusServiceUnavailable, "Too many reports")
	default:
		return c.Guest, true
	}
	return nil, false
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		httpcommon.Refuse(w, http.StatusRequestEntityTooLarge, "Report is too large, accepted: at most "+strconv.Itoa(MaxBody)+" bytes")
	case err != nil:
		httpcommon.Refuse(w, http.StatusBadRequest, "Report is incomplete")
	default:
		return body, true
	}
	return nil, false
}

// takeKeys keeps host keys, and answers with certificates for them. Only root can
// send from a port below 1024, so no other program in the guest can replace its
// host keys, and none can be made to by a request that it sends for others.
func (s *Reports) takeKeys(w http.ResponseWriter, r *http.Request, guest *instance.Instance, body []byte) {
	if !fromPrivilegedPort(r) {
		httpcommon.Refuse(w, http.StatusForbidden, "Forbidden: host keys are accepted from source ports below 1024 only")
		return
	}
	keys, err := parseKeys(body)
	if err != nil {
		httpcommon.Refuse(w, http.StatusBadRequest, "Bad request: "+err.Error())
		return
	}
	s.hostKeys.Keep(guest.UUID, keys)
	s.note(guest, keysEntry(keys))
	certificates := s.hostKeys.Certify(r.Context(), guest.UUID, keys)
	if len(certificates) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var lines bytes.Buffer
	for _, certificate := range certificates {
		lines.Write(ssh.MarshalAuthorizedKey(certificate))
	}
	httpcommon.Bytes(w, httpcommon.TypeText, lines.Bytes())
}

func fromPrivilegedPort(r *http.Request) bool {
	_, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && 0 < number && number < 1024
}

// note adds what holds for each report: it is the guest's word, heard now.
func (s *Reports) note(guest *instance.Instance, entry api.BootEntry) {
	entry.At, entry.Source = s.now(), api.FromGuest
	s.timeline.Note(guest.UUID, entry)
}

// oneLine makes a text of a guest's safe to print, in at most limit bytes.
func oneLine(text string, limit int) string { return visible.Limit(strings.TrimSpace(text), limit) }
