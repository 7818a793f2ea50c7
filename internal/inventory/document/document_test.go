package document

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storetest"
)

// TestRoundTrip writes and reads tables in which every field of every record has
// a value, whatever fields records get later.
func TestRoundTrip(t *testing.T) {
	roundTrip := func(seed uint32) bool {
		f := &filler{n: int(seed)}
		var table instance.Table
		for range seed % 4 {
			var guest instance.Instance
			f.fill(t, reflect.ValueOf(&guest).Elem(), "guest")
			var resting instance.Resting
			f.fill(t, reflect.ValueOf(&resting).Elem(), "resting")
			table.Instances, table.Resting = append(table.Instances, guest), append(table.Resting, resting)
		}
		var text bytes.Buffer
		header := NewHeader("host", "1.2.3")
		if err := Write(&text, header, table); err != nil {
			t.Fatal(err)
		}
		gotHeader, got, err := Read(text.Bytes())
		if err != nil || gotHeader != header {
			t.Errorf("%+v, %v; want %+v", gotHeader, err, header)
		}
		diff := storetest.Diff(table, got)
		if diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return diff == ""
	}
	if err := quick.Check(roundTrip, &quick.Config{MaxCount: 200}); err != nil {
		t.Error(err)
	}
}

// filler gives each field a value that is not empty and differs from the others.
type filler struct{ n int }

func (f *filler) fill(t *testing.T, v reflect.Value, path string) {
	f.n++
	switch v.Interface().(type) {
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, f.n))))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom16([16]byte{0xfd, 11: byte(f.n >> 24), byte(f.n >> 16), 14: byte(f.n >> 8), 15: byte(f.n)})))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(int64(f.n), int64(f.n%1e9)).UTC()))
		return
	case instance.MAC:
		v.Set(reflect.ValueOf(instance.MAC{2, 0, byte(f.n >> 24), byte(f.n >> 16), byte(f.n >> 8), byte(f.n)}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("é<&>\t\"%d\"", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint64:
		v.SetUint(uint64(f.n) << 20)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(t, v.Index(0), path)
		f.fill(t, v.Index(1), path)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(t, key, path)
			f.fill(t, value, path)
			v.SetMapIndex(key, value)
		}
	default:
		t.Fatalf("%s: the test has no value for a %v", path, v.Type())
	}
}

func TestReadRefuses(t *testing.T) {
	const head, id = `"format":"mdserver-inventory","version":1`, "7e5a544d-d555-4133-a443-8229415be701"
	tests := []struct {
		name, text string
		want       error
		reason     string
	}{
		{"nothing", ``, ErrForeign, ""},
		{"a list of the original's", `[{"domain_name":"x"}]`, ErrForeign, ""},
		{"another format", `{"format":"mdserver-backup","version":1}`, ErrForeign, ""},
		{"a newer format", `{"format":"mdserver-inventory","version":2,"more":1}`, ErrNewer, "its format is 2"},
		{"an unknown list", `{` + head + `,"guests":[]}`, ErrInvalid, `unknown field "guests"`},
		{"an unknown field", `{` + head + `,"instances":[{"name":"web","colour":"red"}]}`, ErrInvalid, `instances[0] ("web"): json: unknown field "colour"`},
		{"an unknown field within", `{` + head + `,"instances":[{"name":"web","disks":[{"size":1}]}]}`, ErrInvalid, `unknown field "size"`},
		{"no UUID", `{` + head + `,"instances":[{"name":"web"}]}`, ErrInvalid, `instances[0] ("web"): its uuid is missing`},
		{"the same UUID twice", `{` + head + `,"instances":[{"name":"web","uuid":"` + id + `"},{"name":"db","uuid":"` + id + `"}]}`, ErrInvalid, `instances[1] ("db"): its uuid is missing or a duplicate`},
		{"wrong metadata", `{` + head + `,"instances":[{"name":"web","uuid":"` + id + `","metadata":{"values":{"ipv4":"ten"}}}]}`, ErrInvalid, `instances[0] ("web"): metadata ipv4 "ten" is not an IPv4 address`},
		{"a wrong address", `{` + head + `,"resting":[{"addr":"10.0.0.256"}]}`, ErrInvalid, `resting[0]: `},
		{"no address", `{` + head + `,"resting":[{}]}`, ErrInvalid, `resting[0]: its addr is missing`},
		{"twice", `{` + head + `,"resting":[{"addr":"10.0.0.2"},{"addr":"10.0.0.2"}]}`, ErrInvalid, `resting[1]: `},
		{"more after its end", `{` + head + `}{}`, ErrForeign, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Read([]byte(tt.text))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.reason)
			}
		})
	}
}

// TestWrite checks that Write indents a document, and writes empty lists if there is nothing.
func TestWrite(t *testing.T) {
	header := Header{Format: "mdserver-inventory", Version: 1, Created: time.Unix(1, 0).UTC(), Host: "kvm1", Mdserver: "1.2"}
	const want = `{
  "format": "mdserver-inventory",
  "version": 1,
  "created": "1970-01-01T00:00:01Z",
  "host": "kvm1",
  "mdserver": "1.2",
  "instances": [],
  "resting": []
}
`
	var text bytes.Buffer
	if err := Write(&text, header, instance.Table{}); err != nil || text.String() != want {
		t.Errorf("%v: %s\nwant %s", err, &text, want)
	}
	if err := Write(full{}, header, instance.Table{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":"mdserver-inventory","version":1,"instances":[{"name":"web","uuid":"7e5a544d-d555-4133-a443-8229415be701"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		header, table, err := Read(data)
		if err != nil {
			return
		}
		var text bytes.Buffer
		if err := Write(&text, header, table); err != nil {
			t.Skip("the time cannot be written") // beyond the year 9999
		}
		_, again, err := Read(text.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := storetest.Diff(table, again); diff != "" {
			t.Error(diff)
		}
	})
}
