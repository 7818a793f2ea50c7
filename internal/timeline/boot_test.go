package timeline

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"
	"time"

	"mdserver/internal/api"
)

// A guest cannot fill the room of others.
func TestRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		entry api.BootEntry
		want  int
	}{
		"a stop":                       {api.BootEntry{Kind: api.EntryStopped, Source: api.FromLibvirt}, 201},
		"a crash":                      {api.BootEntry{Kind: api.EntryCrashed, Source: api.FromLibvirt}, 201},
		"a start by libvirt":           {api.BootEntry{Kind: api.EntryStarted, Source: api.FromLibvirt}, 200},
		"a start by the hook":          {api.BootEntry{Kind: api.EntryStarted, Source: api.FromHook}, 200},
		"a result":                     {api.BootEntry{Kind: api.EntryStatus, Source: api.FromGuest}, 190},
		"init-local":                   {api.BootEntry{Kind: api.EntryStage, Name: "init-local", Source: api.FromGuest}, 190},
		"init-network":                 {api.BootEntry{Kind: api.EntryStage, Name: "init-network", Source: api.FromGuest}, 190},
		"modules-config":               {api.BootEntry{Kind: api.EntryStage, Name: "modules-config", Source: api.FromGuest}, 190},
		"modules-final":                {api.BootEntry{Kind: api.EntryStage, Name: "modules-final", Source: api.FromGuest}, 190},
		"a failure to render":          {api.BootEntry{Kind: api.EntryRender, Source: api.FromServer}, 180},
		"a lease":                      {api.BootEntry{Kind: api.EntryDHCP, Source: api.FromDnsmasq}, 180},
		"a step":                       {api.BootEntry{Kind: api.EntryStage, Name: "init-local/x", Source: api.FromGuest}, 170},
		"a stage without a name":       {api.BootEntry{Kind: api.EntryStage, Source: api.FromGuest}, 170},
		"what is called like a stage":  {api.BootEntry{Kind: api.EntryHostKeys, Name: "init-local", Source: api.FromGuest}, 170},
		"anything else from the guest": {api.BootEntry{Kind: api.EntryHostKeys, Source: api.FromGuest}, 170},
	} {
		if got := room(tt.entry); got != tt.want {
			t.Errorf("%s has room up to %d entries, want %d", name, got, tt.want)
		}
	}
}

// Only entries of the right kind, name and outcome bring a boot forward.
func TestReach(t *testing.T) {
	at := noon
	for name, tt := range map[string]struct {
		entry api.BootEntry
		want  api.Reached
	}{
		"a lease":                    {api.BootEntry{Kind: api.EntryDHCP, Name: "DHCPACK"}, api.Reached{Lease: &at}},
		"an offer":                   {api.BootEntry{Kind: api.EntryDHCP, Name: "DHCPOFFER"}, api.Reached{}},
		"a stage called as a lease":  {api.BootEntry{Kind: api.EntryStage, Name: "DHCPACK"}, api.Reached{}},
		"EC2's metadata":             {api.BootEntry{Kind: api.EntryRequest, Name: "ec2 metadata", Status: 200}, api.Reached{Metadata: &at}},
		"OpenStack's metadata":       {api.BootEntry{Kind: api.EntryRequest, Name: "openstack metadata", Status: 200}, api.Reached{Metadata: &at}},
		"NoCloud's metadata":         {api.BootEntry{Kind: api.EntryRequest, Name: "nocloud metadata", Status: 299}, api.Reached{Metadata: &at}},
		"metadata that failed":       {api.BootEntry{Kind: api.EntryRequest, Name: "ec2 metadata", Status: 300}, api.Reached{}},
		"metadata without an answer": {api.BootEntry{Kind: api.EntryRequest, Name: "ec2 metadata", Status: 199}, api.Reached{}},
		"a token":                    {api.BootEntry{Kind: api.EntryRequest, Name: "token", Status: 200}, api.Reached{}},
		"a stage called as metadata": {api.BootEntry{Kind: api.EntryStage, Name: "ec2 metadata", Status: 200}, api.Reached{}},
		"user-data":                  {api.BootEntry{Kind: api.EntryRequest, Name: "user-data", Status: 200}, api.Reached{Userdata: &at}},
		"OpenStack's user-data":      {api.BootEntry{Kind: api.EntryRequest, Name: "openstack user-data", Status: 200}, api.Reached{Userdata: &at}},
		"user-data that is missing":  {api.BootEntry{Kind: api.EntryRequest, Name: "user-data", Status: 404}, api.Reached{}},
		"host keys in ssh":           {api.BootEntry{Kind: api.EntrySSH}, api.Reached{SSH: &at}},
		"success":                    {api.BootEntry{Kind: api.EntryStatus, Result: api.ResultSuccess}, api.Reached{Ready: &at}},
		"a warning":                  {api.BootEntry{Kind: api.EntryStatus, Result: api.ResultWarn}, api.Reached{}},
		"the success of a stage":     {api.BootEntry{Kind: api.EntryStage, Result: api.ResultSuccess}, api.Reached{}},
	} {
		b := &boot{}
		tt.entry.At = at
		b.reach(tt.entry)
		if !reflect.DeepEqual(b.Reached, tt.want) || !b.Last.Equal(at) {
			t.Errorf("%s: reached %+v, last sign %v", name, b.Reached, b.Last)
		}
		tt.entry.At = at.Add(time.Second)
		b.reach(tt.entry)
		if !reflect.DeepEqual(b.Reached, tt.want) || !b.Last.Equal(tt.entry.At) {
			t.Errorf("%s, again: reached %+v, last sign %v", name, b.Reached, b.Last)
		}
	}
}

// A stage and something else with the same name are two entries.
func TestSameNames(t *testing.T) {
	for name, tt := range map[string]struct {
		told []told
		want string
	}{
		"a stage called as a message":         {[]told{stage(0, "DHCPACK", ""), dhcp(1, "DHCPACK")}, "DHCPACK DHCPACK"},
		"a failure called as a stage":         {[]told{stage(0, "user-data", ""), func(l *Log) { l.RenderFailed(web1, "user-data", "no", nil) }}, "user-data user-data=FAIL"},
		"a request called as a stage":         {[]told{asks(0, "/latest/user-data", 200), stage(1, "user-data", "SUCCESS")}, "user-data user-data=SUCCESS"},
		"a stage that ends twice":             {[]told{stage(0, "x", ""), stage(1, "x", "SUCCESS"), stage(2, "x", "FAIL")}, "x=SUCCESS x=FAIL"},
		"a stage that begins twice":           {[]told{stage(0, "x", ""), stage(1, "x", ""), stage(2, "x", "FAIL")}, "x=FAIL x"},
		"the end of one of several stages":    {[]told{stage(0, "x", ""), stage(1, "y", ""), stage(2, "y", "FAIL")}, "x y=FAIL"},
		"requests of a kind, by their status": {[]told{asks(0, "/latest/user-data", 404), asks(1, "/latest/user-data", 200), asks(2, "/latest/user-data", 404)}, "user-data user-data"},
	} {
		l := newLog()
		for _, tell := range tt.told {
			tell(l)
		}
		if b, _ := l.Present(web1); sketch(b) != tt.want {
			t.Errorf("%s: %s, want %s", name, sketch(b), tt.want)
		}
	}
}

// Repeated requests and DHCP messages are counted.
func TestCount(t *testing.T) {
	for name, tell := range map[string]func(at float64) told{
		"requests": func(at float64) told { return asks(at, "/latest/user-data", 200) },
		"messages": func(at float64) told { return dhcp(at, "DHCPACK") },
	} {
		l := newLog()
		for n, want := range []uint64{0, 2, 3, 4} {
			tell(float64(n))(l)
			b, _ := l.Present(web1)
			if len(b.Entries) != 1 || b.Entries[0].Count != want || !b.Last.Equal(after(float64(n))) || !b.Entries[0].At.Equal(noon) {
				t.Errorf("%d %s: %+v, last sign %v", n+1, name, b.Entries, b.Last)
			}
		}
	}
}

// A caller chooses no revision, and what it gets is its own.
func TestEntriesAreCopies(t *testing.T) {
	l := newLog()
	l.Note(web1, api.BootEntry{At: noon, Kind: api.EntryHostKeys, Revision: 4711})
	b, _ := l.Present(web1)
	if got := b.Entries[0].Revision; got == 0 || got != l.Revision() || b.Revision != got {
		t.Errorf("revision %d of %d", got, l.Revision())
	}
	b.Entries[0].Name = "changed"
	if again, _ := l.Present(web1); again.Entries[0].Name != "" {
		t.Errorf("%+v", again.Entries)
	}
}

// What is served changes a boot once.
func TestServedAgain(t *testing.T) {
	l := newLog()
	start(0, api.FromLibvirt)(l)
	for _, step := range []struct {
		kind, body, template string
		changes              bool
	}{
		{UserdataDocument, "a", "web.yaml", true},
		{UserdataDocument, "a", "web.yaml", false},
		{VendordataDocument, "b", "vendor.yaml", true},
		{VendordataDocument, "b", "vendor.yaml", false},
		{UserdataDocument, "b", "db.yaml", true},
		{UserdataDocument, "a", "web.yaml", true},
	} {
		before, woken := l.Revision(), l.news.wait()
		l.Served(web1, Document{Kind: step.kind, Body: []byte(step.body), Template: step.template})
		published := false
		select {
		case <-woken:
			published = true
		default:
		}
		if got := l.Revision() != before; got != step.changes || published != step.changes {
			t.Errorf("%s %q: changed %v, published %v", step.kind, step.body, got, published)
		}
	}
	if b, _ := l.Present(web1); b.Userdata != hashOf([]byte("a")) || b.Vendordata != hashOf([]byte("b")) || b.Template != "web.yaml" {
		t.Errorf("%+v", b)
	}
}

// A document begins a boot if there is none.
func TestServedWithoutAStart(t *testing.T) {
	l := newLog()
	l.now = func() time.Time { return after(20) }
	l.Served(web1, Document{Kind: UserdataDocument, Body: []byte("a")})
	stop(30)(l)
	l.now = func() time.Time { return after(40) }
	l.Served(web1, Document{Kind: UserdataDocument, Body: []byte("b"), Hash: "of b"})
	boots, _ := l.Boots(web1)
	if len(boots) != 2 || !boots[0].Began.Equal(after(20)) || !boots[1].Began.Equal(after(40)) || boots[1].Userdata != "of b" {
		t.Errorf("%+v", boots)
	}
}

// hashOf is how the record names content.
func hashOf(body []byte) string { return fmt.Sprintf("%x", sha256.Sum256(body)) }
