package timeline

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

var (
	web1 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func TestTrailOfABoot(t *testing.T) {
	var l RequestLog
	for i, path := range []string{
		"/latest/api/token", "/2021-03-23/meta-data/instance-id", "/2021-03-23/user-data", "/2021-03-23/meta-data/", "/latest/nonsense",
	} {
		status := 200
		if path == "/latest/nonsense" {
			status = 404
		}
		l.Note(web1, Request{At: noon.Add(time.Duration(i) * time.Second), Client: netip.MustParseAddr("10.122.0.9"), Path: path, Status: status})
	}
	got := l.Of(web1)
	want := []Kind{
		{Name: "token", Count: 1, Last: noon, Status: 200},
		{Name: "user-data", Count: 1, Last: noon.Add(2 * time.Second), Status: 200},
		{Name: "ec2 metadata", Count: 2, Last: noon.Add(3 * time.Second), Status: 200},
		{Name: "other", Count: 1, Last: noon.Add(4 * time.Second), Status: 404},
	}
	if fmt.Sprint(got.Kinds) != fmt.Sprint(want) {
		t.Errorf("kinds %v, want %v", got.Kinds, want)
	}
	if len(got.Recent) != 5 || got.Recent[4].Path != "/latest/nonsense" {
		t.Errorf("recent %v", got.Recent)
	}
	if other := l.Of(uuid.Nil); len(other.Kinds)+len(other.Recent) > 0 {
		t.Errorf("another guest's trail is %v", other)
	}
}

// Neither many requests nor many guests nor long paths make it grow.
func TestBounds(t *testing.T) {
	var l RequestLog
	for i := range 3 * mostRecent {
		l.Note(web1, Request{At: noon, Method: strings.Repeat("M", 16<<10), Path: fmt.Sprintf("/latest/meta-data/%d%0200d", i, 0)})
	}
	recent := l.Of(web1).Recent
	if len(recent) != mostRecent || len(recent[0].Path) > longest+len("…") || len(recent[0].Method) > longestVerb+len("…") {
		t.Errorf("%d requests of %d and %d bytes are kept", len(recent), len(recent[0].Method), len(recent[0].Path))
	}
	if recent[0].Path[:22] != fmt.Sprintf("/latest/meta-data/%d000", 2*mostRecent)[:22] {
		t.Errorf("the oldest is %q", recent[0].Path)
	}
	for range 3 * shards * mostGuests {
		l.Note(uuid.New(), Request{At: noon, Path: "/"})
	}
	for i := range l.shards {
		if n := len(l.shards[i].guests); n > mostGuests {
			t.Errorf("shard %d keeps %d guests", i, n)
		}
	}
}

// Who asked last stays when there are too many.
func TestQuietestMakesWay(t *testing.T) {
	var l RequestLog
	guest := func(n int) uuid.UUID { return uuid.UUID{byte(n), byte(n >> 8)} } // all in one shard
	for n := range mostGuests {
		l.Note(guest(n), Request{At: noon.Add(time.Duration(n) * time.Second), Path: "/"})
	}
	l.Note(guest(0), Request{At: noon.Add(time.Hour), Path: "/"})
	l.Note(guest(mostGuests), Request{At: noon.Add(time.Hour), Path: "/"})
	for n, want := range map[int]bool{0: true, 1: false, 2: true, mostGuests: true} {
		if got := len(l.Of(guest(n)).Recent) > 0; got != want {
			t.Errorf("guest %d is remembered: %v, want %v", n, got, want)
		}
	}
}

func TestForget(t *testing.T) {
	var l RequestLog
	l.Note(web1, Request{At: noon, Path: "/"})
	l.Forget(web1)
	l.Forget(uuid.UUID{7})
	if got := l.Of(web1); len(got.Recent) > 0 || len(got.Kinds) > 0 {
		t.Errorf("%v", got)
	}
	var dhcp DHCPLog
	client := DHCPClient{Network: "mds", MAC: instance.MAC{2}}
	dhcp.Note(client, DHCP{Message: "DHCPACK", At: noon})
	dhcp.Forget(client)
	if got := dhcp.Of(client); got != nil {
		t.Errorf("%v", got)
	}
}

// The text of a request's line is not kept for the sake of its path.
func TestMemoryOfShortPaths(t *testing.T) {
	const line = 1 << 20
	var l RequestLog
	before := heap()
	for i := range 10 * mostRecent {
		text := strings.Repeat(string(rune('a'+i%26)), line)
		l.Note(uuid.UUID{15: byte(i)}, Request{At: noon, Method: text[:3], Path: text[3:9]})
	}
	if grown := heap() - before; grown > 10*line {
		t.Errorf("%d bytes are kept", grown)
	}
	if r := l.Of(uuid.UUID{15: 25}).Recent[0]; r.Method != "zzz" || r.Path != "zzzzzz" {
		t.Errorf("%+v", r)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A text is cut off only if it is too long.
func TestAppendCut(t *testing.T) {
	for text, want := range map[string]string{"": "", "GET": "GET", "POST": "POST", "PATCH": "PATC…", "OPTIONS": "OPTI…"} {
		if got := string(appendCut(nil, text, 4)); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var l RequestLog
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l.Note(web1, Request{At: noon, Path: "/latest/user-data"})
				l.Of(web1)
			}
		})
	}
	all.Wait()
	if n := l.Of(web1).Kinds[0].Count; n != 1600 {
		t.Errorf("%d requests were counted, want 1600", n)
	}
}

func BenchmarkNote(b *testing.B) {
	var l RequestLog
	r := Request{At: noon, Client: netip.MustParseAddr("10.122.0.9"), Path: "/2021-03-23/meta-data/instance-id", Status: 200}
	b.ReportAllocs()
	for b.Loop() {
		l.Note(web1, r)
	}
}
