// Package imds is version 2 of the Instance Metadata Service: a guest asks for
// a token with a PUT and shows it with each later request, so that neither a
// proxy that forwards GETs nor a program a hop away can read its metadata.
//
//	PUT /latest/api/token
//	X-aws-ec2-metadata-token-ttl-seconds: 21600
//
//	GET /latest/meta-data/instance-id
//	X-aws-ec2-metadata-token: …
//
// Tokens are signed, not stored: any number of them costs no memory, and they
// survive a restart of the server. They end by the time since the host's boot, so
// a change of the wall clock neither ends a token early nor lets it live longer.
//
// Source: "Use the Instance Metadata Service to access instance metadata",
// Amazon EC2 User Guide.
package imds

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

// The headers of the protocol.
const (
	HeaderToken = "X-Aws-Ec2-Metadata-Token"
	HeaderTTL   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"

	headerForwarded = "X-Forwarded-For"
)

// Settings say how tokens are dealt with.
type Settings struct {
	Mode     instance.IMDSMode // of guests that do not say otherwise
	Exempt   []string          // frontends that ask those guests for no token
	HopLimit int               // IP TTL of an answer with a token
	Versions []string          // of the EC2 tree
}

// Counts tell how guests use the service. They outlive a Gate.
type Counts struct {
	Tokens       atomic.Uint64 // issued
	WithoutToken atomic.Uint64 // requests that showed none
	Refused      atomic.Uint64 // requests refused with 401
}

// Gate issues tokens, and stands before all that a guest is served to check
// them. Make one with New; it is immutable.
type Gate struct {
	settings Settings
	key      Key
	counts   *Counts
	log      *slog.Logger
	now      func() time.Duration // of the key
}

// New makes a gate.
func New(settings Settings, key Key, counts *Counts, log *slog.Logger) *Gate {
	return &Gate{settings: settings, key: key, counts: counts, log: log, now: key.Now}
}

// EC2 puts the gate before the EC2 tree, and serves tokens. What it stands before
// must serve paths in normal form to known callers (see package httpcommon), and refuse
// those that are no guests.
func (g *Gate) EC2(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serveEC2(w, r, next) })
}

// Frontend puts the gate before another frontend, which may be exempt from tokens.
func (g *Gate) Frontend(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guest := httpcommon.Caller(r).Guest
		mode := g.mode(guest)
		if guest == nil || mode == instance.IMDSOff || slices.Contains(g.exempt(guest), name) || g.admit(w, r, guest, mode) {
			next.ServeHTTP(w, r)
		}
	})
}

func (g *Gate) serveEC2(w http.ResponseWriter, r *http.Request, next http.Handler) {
	guest := httpcommon.Caller(r).Guest
	version, isToken := tokenPath(r.URL.Path)
	switch mode := g.mode(guest); {
	case isToken && mode != instance.IMDSOff && version == "latest":
		g.serveToken(w, r, guest)
	case isToken && mode != instance.IMDSOff && slices.Contains(g.settings.Versions, version):
		httpcommon.Refuse(w, http.StatusForbidden, "Forbidden: tokens are issued at /latest/api/token")
	case guest == nil, mode == instance.IMDSOff:
		next.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead, g.admit(w, r, guest, mode):
		next.ServeHTTP(w, r)
	}
}

// exempt are the frontends that ask a guest for no token: as it says itself, or as
// for all.
func (g *Gate) exempt(guest *instance.Instance) []string {
	if frontends, ok := guest.Metadata.IMDSExempt(); ok {
		return frontends
	}
	return g.settings.Exempt
}

// mode is how a guest is treated: as it says itself, or as all are.
func (g *Gate) mode(guest *instance.Instance) instance.IMDSMode {
	if guest != nil {
		if mode, ok := guest.Metadata.IMDS(); ok {
			return mode
		}
	}
	return g.settings.Mode
}

// tokenPath finds the version in the path of a token.
func tokenPath(path string) (version string, ok bool) {
	if !strings.Contains(path, "/api/token") {
		return "", false
	}
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return version, rest == "api/token"
}

func (g *Gate) serveToken(w http.ResponseWriter, r *http.Request, guest *instance.Instance) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", http.MethodPut)
		httpcommon.Refuse(w, http.StatusMethodNotAllowed, "Method not allowed: "+r.Method)
		return
	}
	if guest == nil {
		httpcommon.UnknownClient(w, httpcommon.Caller(r))
		return
	}
	if _, forwarded := r.Header[headerForwarded]; forwarded {
		httpcommon.Refuse(w, http.StatusForbidden, "Forbidden: tokens are not issued through a proxy")
		return
	}
	ttl, ok := lifetime(r.Header[HeaderTTL])
	if !ok {
		httpcommon.Refuse(w, http.StatusBadRequest, "Bad request: "+HeaderTTL+" must be one whole number from 1 to 21600")
		return
	}
	if err := limitHops(r.Context(), g.settings.HopLimit); err != nil {
		g.log.Error("no token issued: the hop limit of the connection cannot be set", "guest", guest.Name, "error", err)
		httpcommon.Refuse(w, http.StatusInternalServerError, "Internal server error")
		return
	}
	g.counts.Tokens.Add(1)
	w.Header().Set(HeaderTTL, strconv.Itoa(int(ttl/time.Second)))
	w.Header().Set("Cache-Control", "no-store")
	httpcommon.Bytes(w, "text/plain", []byte(g.key.Issue(guest.UUID, g.now()+ttl)))
}

// lifetime reads the header with the lifetime of a token.
func lifetime(values []string) (time.Duration, bool) {
	if len(values) != 1 {
		return 0, false
	}
	text := strings.TrimSpace(values[0])
	if strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.Atoi(text)
	ttl := time.Duration(seconds) * time.Second
	return ttl, err == nil && seconds <= int(MaxTTL/time.Second) && ttl >= MinTTL
}

// admit reports whether a request may go on, and refuses it if not. A token
// that is shown must be good even where none is required, as with AWS.
func (g *Gate) admit(w http.ResponseWriter, r *http.Request, guest *instance.Instance, mode instance.IMDSMode) bool {
	tokens := r.Header[HeaderToken]
	switch {
	case len(tokens) > 1:
		g.refuse(w, "more than one token")
	case len(tokens) == 0 || tokens[0] == "":
		g.counts.WithoutToken.Add(1)
		if mode != instance.IMDSRequired {
			return true
		}
		g.refuse(w, "a token is required, see PUT /latest/api/token")
	default:
		err := g.key.Verify(tokens[0], guest.UUID, g.now())
		if err == nil {
			return true
		}
		g.refuse(w, err.Error())
	}
	return false
}

func (g *Gate) refuse(w http.ResponseWriter, why string) {
	g.counts.Refused.Add(1)
	httpcommon.Refuse(w, http.StatusUnauthorized, "Unauthorised: "+why)
}
