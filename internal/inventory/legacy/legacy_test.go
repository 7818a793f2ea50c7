package legacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"mdserver/internal/instance"
)

const (
	uuidA = "7e5a544d-d555-4133-a443-8229415be701"
	uuidB = "7e5a544d-d555-4133-a443-8229415be702"
)

var compare = []cmp.Option{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()}

func entryText(fields ...string) string {
	return "{" + strings.Join(fields, ",") + "}"
}

func TestReadOriginalDatabase(t *testing.T) {
	guests, skipped, err := Parse(original(t))
	if err != nil || len(skipped) != 0 {
		t.Fatalf("err %v, skipped %v", err, skipped)
	}
	if len(guests) != 6 {
		t.Fatalf("%d guests, want 6", len(guests))
	}
	want := instance.Instance{
		ID: "i-127.9.1.3", Name: "fallback", Hostname: "fallback",
		UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be703"),
		MAC:  instance.MAC{0x52, 0x54, 0, 9, 0, 3},
		IPv4: netip.MustParseAddr("127.9.1.3"), IPv6: netip.MustParseAddr("2001:db8::3"),
		FirstSeen: time.Unix(1594545538, 0).UTC(), LastUpdate: time.Unix(1594545616, 0).UTC(),
	}
	if diff := cmp.Diff(want, guests[2], compare...); diff != "" {
		t.Errorf("third guest (-want +got):\n%s", diff)
	}
	if got := guests[0].FirstSeen; !got.Equal(time.UnixMicro(1594545538672943)) {
		t.Errorf("first_seen %v lost its fraction", got)
	}
	if prefix, ok := guests[4].Metadata.UserdataPrefix(); prefix != "special" || !ok {
		t.Errorf("userdata_prefix %q, %v", prefix, ok)
	}
}

func TestParseEntry(t *testing.T) {
	name, id := `"domain_name":"web 1"`, `"domain_uuid":"`+uuidA+`"`
	base := instance.Instance{ID: instance.DeriveID(uuid.MustParse(uuidA)), Name: "web 1", Hostname: "web-1", UUID: uuid.MustParse(uuidA)}
	with := func(change func(*instance.Instance)) *instance.Instance {
		guest := base
		change(&guest)
		return &guest
	}
	tests := []struct {
		name   string
		entry  string
		want   *instance.Instance
		reason string // part of the only problem
	}{
		{"only what is needed", entryText(name, id), &base, ""},
		{"all others null", entryText(name, id, `"location":null,"domain_metadata":null,"mds_mac":null,"mds_ipv4":null,"mds_ipv6":null,"first_seen":null,"last_update":null`), &base, ""},
		{"unknown keys", entryText(name, id, `"last_seen":1.5,"x":{}`), &base, ""},
		{"address", entryText(name, id, `"mds_ipv4":"10.0.0.9"`), with(func(g *instance.Instance) {
			g.IPv4, g.ID = netip.MustParseAddr("10.0.0.9"), "i-10.0.0.9"
		}), ""},
		{"host name in the metadata", entryText(name, id, `"domain_metadata":{"hostname":"www"}`), with(func(g *instance.Instance) {
			g.Hostname, g.Metadata.Values = "www", map[string]string{"hostname": "www"}
		}), ""},
		{"metadata of several types", entryText(name, id, `"domain_metadata":{"a":1.50,"b":true,"c":null,"d":{"@xmlns":"u","#text":"t"},"tags":"x=1,y"}`), with(func(g *instance.Instance) {
			g.Metadata = instance.Metadata{Values: map[string]string{"a": "1.50", "b": "true", "d": "t"}, Tags: map[string]string{"x": "1", "y": ""}}
		}), ""},
		{"metadata that is an element", entryText(name, id, `"domain_metadata":{"a":{"@xmlns":"u"}}`), &base, "domain_metadata.a: it is not text"},
		{"an element that is no text", entryText(name, id, `"domain_metadata":{"a":{"#text":7}}`), &base, "domain_metadata.a: it is not text"},
		{"a name of no host", entryText(`"domain_name":"..."`, id), with(func(g *instance.Instance) {
			g.Name, g.Hostname = "...", instance.DeriveHostname("...", g.UUID, "vm")
		}), ""},
		{"the longest name", entryText(`"domain_name":"`+strings.Repeat("x", instance.MaxName)+`"`, id), with(func(g *instance.Instance) {
			g.Name = strings.Repeat("x", instance.MaxName)
			g.Hostname = instance.DeriveHostname(g.Name, g.UUID, "vm")
		}), ""},
		{"nested metadata", entryText(name, id, `"domain_metadata":{"a":["x"]}`), &base, "field of entry 0 (domain \"web 1\") skipped: domain_metadata.a: it is not text"},
		{"metadata not an object", entryText(name, id, `"domain_metadata":"x"`), &base, `domain_metadata: "x" is not an object`},
		{"bad MAC", entryText(name, id, `"mds_mac":"52:54"`), &base, `mds_mac: "52:54" is not a MAC address`},
		{"group MAC", entryText(name, id, `"mds_mac":"01:00:5e:00:00:01"`), &base, "mds_mac: "},
		{"bad IPv6", entryText(name, id, `"mds_ipv6":"10.0.0.1"`), &base, `mds_ipv6: "10.0.0.1"`},
		{"IPv6 with a zone", entryText(name, id, `"mds_ipv6":"fe80::1%eth0"`), &base, `mds_ipv6: "fe80::1%eth0"`},
		{"IPv4 as IPv6", entryText(name, id, `"mds_ipv6":"::ffff:10.0.0.1"`), &base, `mds_ipv6: "::ffff:10.0.0.1"`},
		{"IPv6 of a group", entryText(name, id, `"mds_ipv6":"ff02::1"`), &base, `mds_ipv6: "ff02::1"`},
		{"IPv6 of none", entryText(name, id, `"mds_ipv6":"::"`), &base, `mds_ipv6: "::"`},
		{"the first time", entryText(name, id, `"first_seen":0`), with(func(g *instance.Instance) { g.FirstSeen = time.Unix(0, 0).UTC() }), ""},
		{"the last time", entryText(name, id, `"last_update":253402300799`), with(func(g *instance.Instance) {
			g.LastUpdate = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		}), ""},
		{"a time after that", entryText(name, id, `"last_update":253402300800`), &base, "last_update: 253402300800 is not a time"},
		{"a long time", entryText(name, id, `"last_update":"`+strings.Repeat("é", 30)+`"`), &base, `last_update: "` + strings.Repeat("é", 19) + "… is not a time"},
		{"bad time", entryText(name, id, `"first_seen":"now"`), &base, `first_seen: "now"`},
		{"time before 1970", entryText(name, id, `"first_seen":-1`), &base, "first_seen: -1"},
		{"time beyond reason", entryText(name, id, `"last_update":1e300`), &base, "last_update: 1e300"},
		{"bad IPv4", entryText(name, id, `"mds_ipv4":"10.0.0"`), nil, `entry 0 (domain "web 1") skipped: mds_ipv4: "10.0.0"`},
		{"IPv4 not text", entryText(name, id, `"mds_ipv4":{}`), nil, "mds_ipv4: {} is not text"},
		{"no UUID", entryText(name), nil, "domain_uuid: it is missing"},
		{"bad UUID", entryText(name, `"domain_uuid":"x"`), nil, `domain_uuid: "x" is not a UUID`},
		{"nil UUID", entryText(name, `"domain_uuid":"00000000-0000-0000-0000-000000000000"`), nil, "domain_uuid: "},
		{"no name", entryText(id), nil, "domain_name: the domain has no name"},
		{"name with a slash", entryText(`"domain_name":"../x"`, id), nil, "domain_name: "},
		{"not an object", `"text"`, nil, "entry 0 (domain \"\") skipped: it is not an object"},
		{"null", `null`, nil, "it is not an object"},
		{"a list", `[]`, nil, `entry 0 (domain "") skipped: it is not an object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			guests, skipped, err := Parse([]byte("[" + tt.entry + "]"))
			if err != nil {
				t.Fatal(err)
			}
			var want []instance.Instance
			if tt.want != nil {
				want = append(want, *tt.want)
			}
			if diff := cmp.Diff(want, guests, compare...); diff != "" {
				t.Errorf("guests (-want +got):\n%s", diff)
			}
			if tt.reason == "" && len(skipped) > 0 || tt.reason != "" && (len(skipped) != 1 || !strings.Contains(skipped[0].String(), tt.reason)) {
				t.Errorf("skipped %v, want %q", skipped, tt.reason)
			}
		})
	}
}

func TestParseFormats(t *testing.T) {
	one := entryText(`"domain_name":"a"`, `"domain_uuid":"`+uuidA+`"`)
	tests := []struct {
		name, text string
		guests     int
		reason     string
	}{
		{"empty list", "[]", 0, ""},
		{"plain list", "[" + one + "]", 1, ""},
		{"with metadata", `{"metadata":{"locations":{}},"entries":[` + one + `]}`, 1, ""},
		{"without metadata", ` {"entries":[` + one + `]} `, 1, ""},
		{"null entries", `{"metadata":{},"entries":null}`, 0, ""},
		{"empty file", " \n", 0, "the file is empty"},
		{"other object", `{"a":1}`, 0, `no "entries"`},
		{"entries not a list", `{"entries":{}}`, 0, `"entries" is not a list`},
		{"a number", `7`, 0, `begins with "7"`},
		{"cut off", "[\n{\n\"domain_name\":", 0, "line 3: "},
		{"an object that is cut off", "{\n\"entries\":[\n", 0, "line 2: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			guests, _, err := Parse([]byte(tt.text))
			if len(guests) != tt.guests || (err == nil) != (tt.reason == "") {
				t.Fatalf("%d guests, %v; want %d, %q", len(guests), err, tt.guests, tt.reason)
			}
			if err != nil && !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("error %q, want %q", err, tt.reason)
			}
		})
	}
}

func TestLastOfDuplicatesWins(t *testing.T) {
	a := []string{`"domain_name":"a"`, `"domain_uuid":"` + uuidA + `"`, `"mds_mac":"52:54:00:00:00:01"`, `"mds_ipv4":"10.0.0.1"`, `"mds_ipv6":"fd00::1"`}
	b := []string{`"domain_name":"b"`, `"domain_uuid":"` + uuidB + `"`, `"mds_mac":"52:54:00:00:00:02"`, `"mds_ipv4":"10.0.0.2"`, `"mds_ipv6":"fd00::2"`}
	for i, field := range []string{"domain_name", "domain_uuid", "mds_mac", "mds_ipv4", "mds_ipv6"} {
		t.Run(field, func(t *testing.T) {
			second := append([]string(nil), b...)
			second[i] = a[i]
			guests, skipped, err := Parse([]byte("[" + entryText(a...) + "," + entryText(second...) + "]"))
			if err != nil || len(guests) != 1 || len(skipped) != 1 {
				t.Fatalf("guests %v, skipped %v, err %v", guests, skipped, err)
			}
			if s := skipped[0]; s.Entry != 0 || s.Field != field || !s.Whole || s.Name != "a" {
				t.Errorf("skipped %+v, want entry 0 for its %s", s, field)
			}
		})
	}
}

// Of several duplicates the last one stays, and the others are told in their order.
func TestDuplicatesAreTold(t *testing.T) {
	entry := func(name, id string) string { return entryText(`"domain_name":"`+name+`"`, `"domain_uuid":"`+id+`"`) }
	_, skipped, err := Parse([]byte("[" + entry("a", uuidA) + "," + entry("b", uuidB) + "," + entry("c", uuidA) + "," + entry("b", uuidA) + "]"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range skipped {
		got = append(got, s.String())
	}
	want := []string{
		`entry 0 (domain "a") skipped: domain_uuid: entry 3 has the same; the last one is used`,
		`entry 1 (domain "b") skipped: domain_name: entry 3 has the same; the last one is used`,
		`entry 2 (domain "c") skipped: domain_uuid: entry 3 has the same; the last one is used`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestWriteToAFullDisk(t *testing.T) {
	if err := Write(full{}, Object, nil, Meta{}); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "write the Python mdserver's database: ") {
		t.Error(err)
	}
}

func original(tb testing.TB) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/db_file.json")
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	guests, _, err := Parse(original(t))
	if err != nil {
		t.Fatal(err)
	}
	guests[0].Location = "rack 1"
	guests[1].Name, guests[1].Hostname = "größe 🐧 <&>", "gro-e"
	guests[1].Hostname = instance.DeriveHostname(guests[1].Name, guests[1].UUID, "vm")
	guests[5].MAC, guests[5].FirstSeen = instance.MAC{}, time.Time{}
	guests[5].Metadata = instance.Metadata{Values: map[string]string{"k": "v"}, Tags: map[string]string{"env": "prod", "new": ""}}
	for _, form := range []Form{List, Object} {
		var text bytes.Buffer
		if err := Write(&text, form, guests, Meta{}); err != nil {
			t.Fatal(err)
		}
		if got := FormOf(text.Bytes()); got != form {
			t.Errorf("written as %s, its form is %s", form, got)
		}
		again, skipped, err := Parse(text.Bytes())
		if err != nil || len(skipped) != 0 {
			t.Fatalf("%s: err %v, skipped %v", form, err, skipped)
		}
		if diff := cmp.Diff(guests, again, compare...); diff != "" {
			t.Errorf("%s (-written +read):\n%s", form, diff)
		}
	}
}

func TestWriteFormat(t *testing.T) {
	guest := instance.Instance{
		Name: "é\uffff\U00010000🐧<&>\x7f", Hostname: "e", UUID: uuid.MustParse(uuidA), MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 1},
		IPv4: netip.MustParseAddr("10.0.0.1"), FirstSeen: time.UnixMicro(1594545538672943), LastUpdate: time.Unix(1594545616, 999),
		Metadata: instance.Metadata{Values: map[string]string{"userdata_prefix": "x"}},
	}
	meta := Meta{Initialised: time.Unix(1600000000, 0), Locations: map[string]Location{"here": {Hostname: "host1", FirstSeen: time.Unix(1600000000, 500000000)}}}
	var text bytes.Buffer
	if err := Write(&text, Object, []instance.Instance{guest}, meta); err != nil {
		t.Fatal(err)
	}
	want := `{
    "metadata": {
        "initialised": 1600000000.0,
        "updated": null,
        "locations": {
            "here": {
                "hostname": "host1",
                "version": null,
                "first_seen": 1600000000.5,
                "last_seen": null
            }
        }
    },
    "entries": [
        {
            "location": null,
            "domain_name": "\u00e9\uffff\ud800\udc00\ud83d\udc27<&>` + "\x7f" + `",
            "domain_uuid": "7e5a544d-d555-4133-a443-8229415be701",
            "domain_metadata": {
                "userdata_prefix": "x"
            },
            "mds_mac": "52:54:00:00:00:01",
            "mds_ipv4": "10.0.0.1",
            "mds_ipv6": null,
            "first_seen": 1594545538.672943,
            "last_update": 1594545616.0
        }
    ]
}
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteEmpty(t *testing.T) {
	var text bytes.Buffer
	if err := Write(&text, Object, nil, Meta{}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"entries": []`, `"locations": {}`} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("%s lacks %s", text.String(), part)
		}
	}
}

// FuzzParse: whatever the file holds, what is read is fit for an inventory and
// survives being written and read again.
func FuzzParse(f *testing.F) {
	f.Add(original(f))
	f.Add([]byte(`{"metadata":{},"entries":[{"domain_name":"a,b","domain_uuid":"` + uuidA + `","mds_ipv4":"10.0.0.1","domain_metadata":{"tags":"a=b,=,","x":{"#text":"\u0000"}}}]}`))
	f.Add([]byte(`[null,[],{},{"domain_name":null}]`))
	f.Add([]byte(`{"entries":[{"first_seen":1e308}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		guests, skipped, err := Parse(data)
		if err != nil {
			return
		}
		for _, s := range skipped {
			if s.Reason == "" {
				t.Errorf("no reason in %+v", s)
			}
		}
		for _, g := range guests {
			if instance.ValidateName(g.Name) != nil || !instance.ValidHostname(g.Hostname) || g.UUID == uuid.Nil || g.ID == "" {
				t.Errorf("unfit guest %+v", g)
			}
			if _, err := json.Marshal(g); err != nil {
				t.Errorf("guest %+v cannot be stored: %v", g, err)
			}
		}
		var text bytes.Buffer
		if err := Write(&text, Object, guests, Meta{}); err != nil {
			t.Fatal(err)
		}
		again, skipped, err := Parse(text.Bytes())
		if err != nil || len(skipped) != 0 {
			t.Fatalf("written again: %v, skipped %v", err, skipped)
		}
		if diff := cmp.Diff(guests, again, compare...); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

// A guest whose name is too long is not lost: its UUID stands in for the name.
func TestLongNameIsImported(t *testing.T) {
	long := strings.Repeat("x", instance.MaxName+1)
	guests, skipped, err := Parse([]byte("[" + entryText(`"domain_name":"`+long+`"`, `"domain_uuid":"`+uuidA+`"`,
		`"mds_mac":"52:54:00:00:00:01"`, `"mds_ipv4":"10.0.0.1"`) + "]"))
	if err != nil || len(guests) != 1 || len(skipped) != 1 {
		t.Fatalf("guests %v, skipped %v, err %v", guests, skipped, err)
	}
	if g := guests[0]; g.Name != uuidA || g.IPv4.String() != "10.0.0.1" || g.ID != "i-10.0.0.1" {
		t.Errorf("imported %+v", g)
	}
	if s := skipped[0]; s.Whole || len(s.Name) > 40 || !strings.Contains(s.String(), "256 characters") {
		t.Errorf("told %+v", s)
	}
}
