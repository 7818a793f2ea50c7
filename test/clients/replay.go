package clients

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

// Request is one request of a client.
type Request struct {
	Method, Path string
	Headers      []string // sent in place of the client's own, if there are any
	TTL          string   // of a request for a token: the line with its lifetime
	Body         string
	Makes        func(Answer) error // what the client makes of the answer
	Crawl        bool               // the path is a listing, all of which is asked for
	Old          bool               // HTTP/1.0 and nothing but the line with the lifetime
}

// Answer is what a client gets to see.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Replay sends a client's requests to a server that asks for tokens as mode
// says, from the address of a guest that it knows, and tells what the client
// would stumble over.
func (c Client) Replay(server http.Handler, g Guest, mode instance.IMDSMode) []error {
	r := &replay{client: c, server: server, from: g.NICs[0].IPv4.Addr(), mode: mode}
	for _, q := range c.Ask(g) {
		if !r.send(q) {
			break
		}
	}
	return r.problems
}

type replay struct {
	client   Client
	server   http.Handler
	from     netip.Addr
	mode     instance.IMDSMode
	token    string
	problems []error
}

// send makes one request and reports whether the client goes on.
func (r *replay) send(q Request) bool {
	answer := r.do(q)
	switch {
	case q.TTL != "" && r.mode == instance.IMDSOff:
		r.check(q, answer, nothing)
		return r.client.Tokens != Always
	case q.TTL != "":
		r.check(q, answer, token(q.TTL))
		r.token = answer.Body
	case r.refuses(q):
		r.check(q, answer, refused)
	case q.Crawl:
		r.crawl(q, answer)
	default:
		r.check(q, answer, q.Makes)
	}
	return true
}

// refuses reports whether the server must refuse a request for its lack of a
// token.
func (r *replay) refuses(q Request) bool {
	return inTree(q.Path) && r.mode == instance.IMDSRequired && r.token == ""
}

// inTree reports whether a path is of the EC2 tree, where tokens are asked for.
func inTree(path string) bool {
	return !strings.HasPrefix(path, "/openstack") && !strings.HasPrefix(path, "/nocloud")
}

func (r *replay) check(q Request, answer Answer, makes func(Answer) error) {
	if err := makes(answer); err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s %s: %w", q.Method, q.Path, err))
	}
}

// do makes a request of its text, as the server's own parser does.
func (r *replay) do(q Request) Answer {
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.text(q))))
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s %s: %w", q.Method, q.Path, err))
		return Answer{}
	}
	req.RemoteAddr = netip.AddrPortFrom(r.from, 4711).String()
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, req)
	return Answer{w.Code, w.Header(), w.Body.String()}
}

func (r *replay) text(q Request) string {
	if q.Old {
		return q.Method + " " + q.Path + " HTTP/1.0\r\n" + q.TTL + "\r\n\r\n"
	}
	lines := []string{q.Method + " " + q.Path + " HTTP/1.1", "Host: 169.254.169.254"}
	if headers := q.Headers; headers != nil {
		lines = append(lines, headers...)
	} else {
		lines = append(lines, r.client.Headers...)
	}
	switch {
	case q.TTL != "":
		lines = append(lines, q.TTL, "Content-Length: 0")
	case r.token != "":
		lines = append(lines, r.client.TokenHeader+r.token)
	}
	if q.Body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(q.Body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + q.Body
}

// crawl asks for all that a listing names, as cloud-init does: a name with a
// slash at its end is a directory, N=name is the key N/openssh-key, and
// security-credentials is left alone.
func (r *replay) crawl(q Request, answer Answer) {
	r.check(q, answer, present)
	seen := map[string]bool{}
	for name := range strings.SplitSeq(answer.Body, "\n") {
		index, label, equals := strings.Cut(name, "=")
		bare, isDir := strings.CutSuffix(name, "/")
		if _, err := strconv.Atoi(index); equals && err == nil {
			name, bare = index+"/openssh-key", label // by which the client files it
		}
		if seen[bare] || bare == "" {
			r.check(q, answer, func(Answer) error { return fmt.Errorf("the name %q is empty or there twice", bare) })
		}
		seen[bare] = true
		if bare == "security-credentials" {
			continue
		}
		next := Request{Method: q.Method, Path: strings.TrimSuffix(q.Path, "/") + "/" + name}
		if found := r.do(next); isDir {
			r.crawl(next, found)
		} else {
			r.check(next, found, present)
		}
	}
}
