package timeline

import (
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// What is remembered of a guest.
type (
	Request = api.Request
	Kind    = api.RequestKind
	Trail   = api.Requests
)

const (
	shards      = 64
	mostGuests  = 32  // of one shard; the record of one takes up to 8 KB
	mostRecent  = 24  // requests of one guest
	longest     = 120 // bytes of a path; longer ones lead nowhere
	longestVerb = 16  // bytes of a method; all that are served are shorter
)

// RequestLog keeps the last requests of each guest, and of each kind of request
// how often it came, when last, and how that ended. It is for people who look into
// why a guest did not come up. Noting a request takes one short lock that no two
// guests are likely to share, and formats nothing. The zero RequestLog is ready for
// use.
type RequestLog struct {
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	guests map[uuid.UUID]*record
}

type record struct {
	kinds  [len(kinds)]Kind // without names
	recent [mostRecent]entry
	next   int // of recent
}

// entry is a Request with copies of its texts: the server's own share their
// memory with the whole line of the request.
type entry struct {
	Request
	method, path []byte
}

func (e *entry) set(r Request) {
	e.method = appendCut(e.method[:0], r.Method, longestVerb)
	e.path = appendCut(e.path[:0], r.Path, longest)
	r.Method, r.Path = "", ""
	e.Request = r
}

func (e *entry) request() Request {
	r := e.Request
	r.Method, r.Path = string(e.method), string(e.path)
	return r
}

func appendCut(dst []byte, text string, limit int) []byte {
	if len(text) > limit {
		return append(append(dst, text[:limit]...), "…"...)
	}
	return append(dst, text...)
}

// Note remembers one request.
func (l *RequestLog) Note(guest uuid.UUID, r Request) (name string) {
	kind := kindOf(r.Path)
	s := l.shard(guest)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.record(guest)
	k := &rec.kinds[kind]
	k.Count, k.Last, k.Status = k.Count+1, r.At, r.Status
	rec.recent[rec.next%mostRecent].set(r)
	rec.next++
	return kinds[kind].name
}

// Of is the trail of one guest, empty if nothing is remembered.
func (l *RequestLog) Of(guest uuid.UUID) Trail {
	s := l.shard(guest)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Trail{Kinds: []Kind{}, Recent: []Request{}}
	rec := s.guests[guest]
	if rec == nil {
		return t
	}
	for i, k := range rec.kinds {
		if k.Count > 0 {
			k.Name = kinds[i].name
			t.Kinds = append(t.Kinds, k)
		}
	}
	for i := max(0, rec.next-mostRecent); i < rec.next; i++ {
		t.Recent = append(t.Recent, rec.recent[i%mostRecent].request())
	}
	return t
}

// shard is chosen by the UUID's last byte, the least regular one.
func (l *RequestLog) shard(guest uuid.UUID) *shard { return &l.shards[guest[len(guest)-1]%shards] }

// Forget removes the trail of a guest, such as one that was released.
func (l *RequestLog) Forget(guest uuid.UUID) {
	s := l.shard(guest)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.guests, guest)
}

// record finds or makes a guest's. In a full shard the one that has asked for
// nothing for the longest time makes way.
func (s *shard) record(guest uuid.UUID) *record {
	if rec := s.guests[guest]; rec != nil {
		return rec
	}
	if s.guests == nil {
		s.guests = map[uuid.UUID]*record{}
	}
	if len(s.guests) >= mostGuests {
		delete(s.guests, s.quietest())
	}
	rec := &record{}
	s.guests[guest] = rec
	return rec
}

func (s *shard) quietest() (guest uuid.UUID) {
	var last time.Time
	for other, rec := range s.guests {
		if at := rec.recent[(rec.next+mostRecent-1)%mostRecent].At; last.IsZero() || at.Before(last) {
			guest, last = other, at
		}
	}
	return guest
}

// kinds of requests, in the order of a boot. The last is all others.
var kinds = [...]struct{ name, part string }{
	{"token", "/api/token"},
	{"openstack metadata", "/meta_data.json"},
	{"openstack network", "/network_data.json"},
	{"vendor-data", "vendor"},
	{"user-data", "user-data"},
	{"openstack user-data", "/user_data"},
	{"nocloud metadata", "/nocloud/meta-data"},
	{"nocloud network", "/network-config"},
	{"identity", "/dynamic/"},
	{"ec2 metadata", "/meta-data"},
	{"password", "/password"},
	{"other", ""},
}

// Metadata names the kinds of requests that find a datasource.
func Metadata() []string {
	return []string{"ec2 metadata", "openstack metadata", "nocloud metadata"}
}

// Userdata names the kinds of requests that fetch user-data.
func Userdata() []string { return []string{"user-data", "openstack user-data"} }

func kindOf(path string) int {
	path = path[:min(len(path), longest)]
	for i, k := range kinds {
		if strings.Contains(path, k.part) {
			return i
		}
	}
	return len(kinds) - 1
}
