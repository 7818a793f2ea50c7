package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/memorytest"
	"mdserver/internal/timeline"
)

var (
	web1 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	web2 = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be702")
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func open(t testing.TB, path string) *Archive {
	t.Helper()
	a, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func write(t testing.TB, a *Archive, b timeline.Batch) {
	t.Helper()
	if err := a.Write(b); err != nil {
		t.Fatal(err)
	}
}

// boot is a usual one, with the requests of cloud-init for EC2 and its stages.
func boot(number int) api.Boot {
	began := noon.Add(time.Duration(number) * time.Hour)
	lease := began.Add(4 * time.Second)
	b := api.Boot{Number: number, Began: began, Reached: api.Reached{Lease: &lease}, Last: lease, Template: "/etc/mdserver/userdata/web.yaml"}
	add := func(kind api.EntryKind, source api.Source, name string) {
		at := began.Add(time.Duration(len(b.Entries)) * 1234567 * time.Microsecond)
		b.Entries = append(b.Entries, api.BootEntry{At: at, Kind: kind, Source: source, Name: name, Revision: uint64(100*number + len(b.Entries))})
	}
	add(api.EntryStarted, api.FromLibvirt, "")
	for _, m := range []string{"DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"} {
		add(api.EntryDHCP, api.FromDnsmasq, m)
	}
	for _, m := range []string{"token", "ec2 metadata", "user-data"} {
		add(api.EntryRequest, api.FromMetadata, m)
	}
	for _, m := range strings.Fields("init-network modules-config modules-config/config-ssh modules-config/config-runcmd modules-final modules-final/config-scripts_user modules-final/config-final_message") {
		add(api.EntryStage, api.FromGuest, m)
	}
	return b
}

// lastOf are the last boots of all guests.
func lastOf(a *Archive) (map[uuid.UUID]api.Boot, error) {
	last := map[uuid.UUID]api.Boot{}
	return last, a.EachLast(func(guest uuid.UUID, b api.Boot) { last[guest] = b })
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func numbers(t testing.TB, a *Archive, guest uuid.UUID) string {
	t.Helper()
	all, err := a.Boots(guest)
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, b := range all {
		list = append(list, b.Number)
	}
	return fmt.Sprint(list)
}

func TestBootsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	first, second := boot(1), boot(2)
	second.Userdata = hashOf("#cloud-config\n")
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: first}, {Guest: web1, Boot: boot(2)}, {Guest: web2, Boot: first}}})
	write(t, a, timeline.Batch{
		Boots:    []timeline.GuestBoot{{Guest: web1, Boot: second}},
		Contents: map[string][]byte{second.Userdata: []byte("#cloud-config\n")},
		Removed:  []uuid.UUID{web2},
	})
	for _, a := range []*Archive{a, open(t, path)} {
		got, err := a.Boots(web1)
		if err != nil || !reflect.DeepEqual(got, []api.Boot{first, second}) {
			t.Errorf("%+v, %v", got, err)
		}
		last, err := lastOf(a)
		if err != nil || !reflect.DeepEqual(last, map[uuid.UUID]api.Boot{web1: second}) {
			t.Errorf("last boots %+v, %v", last, err)
		}
		if one, err := a.Boot(web1, first.Number); err != nil || !reflect.DeepEqual(one, first) {
			t.Errorf("the first boot is %+v, %v", one, err)
		}
		if one, err := a.Boot(web1, 99); err == nil {
			t.Errorf("a boot that was never written: %+v", one)
		}
		if body, err := a.Content(second.Userdata); err != nil || string(body) != "#cloud-config\n" {
			t.Errorf("content %q, %v", body, err)
		}
		if body, err := a.Content(hashOf("other")); err != nil || body != nil {
			t.Errorf("content %q, %v of what was never written", body, err)
		}
	}
}

func TestLastBootsOfAGuestAreKept(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "boots.db"))
	for n := 1; n <= 25; n++ {
		write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(n)}}})
	}
	if got := numbers(t, a, web1); got != "[6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25]" {
		t.Errorf("boots %s", got)
	}
}

// Damage costs the records that it hits, wherever it is, and no start.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	for n := 1; n <= 9; n++ {
		write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(n)}}})
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	middle := int(a.guests[web1][4].offset)
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		want   string
	}{
		"a bit of a record":        {func(b []byte) []byte { b[middle+90] ^= 1; return b }, "[1 2 3 4 6 7 8 9]"},
		"a mark":                   {func(b []byte) []byte { b[middle] = 0; return b }, "[1 2 3 4 6 7 8 9]"},
		"a length":                 {func(b []byte) []byte { b[middle+len(mark)] = 0xff; return b }, "[1 2 3 4 6 7 8 9]"},
		"a block of zeros":         {func(b []byte) []byte { clear(b[middle+5 : middle+25]); return b }, "[1 2 3 4 6 7 8 9]"},
		"an incomplete end":        {func(b []byte) []byte { return b[:len(b)-3] }, "[1 2 3 4 5 6 7 8]"},
		"other bytes at the end":   {func(b []byte) []byte { return append(b, "other"...) }, "[1 2 3 4 5 6 7 8 9]"},
		"the heading of a frame":   {func(b []byte) []byte { return append(b, mark...) }, "[1 2 3 4 5 6 7 8 9]"},
		"all of it":                {func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) }, "[]"},
		"the heading of the file":  {func(b []byte) []byte { b[0] = 0; return b }, "[]"},
		"the file, which is empty": {func([]byte) []byte { return nil }, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "boots.db")
			if err := os.WriteFile(path, c.damage(bytes.Clone(sound)), 0o600); err != nil {
				t.Fatal(err)
			}
			a := open(t, path)
			if got := numbers(t, a, web1); got != c.want {
				t.Errorf("boots %s, want %s", got, c.want)
			}
			write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(10)}}})
			again := open(t, path)
			if got, want := numbers(t, again, web1), strings.TrimPrefix(strings.TrimSuffix(c.want, "]")+" 10]", "[ "); strings.TrimPrefix(got, "[") != strings.TrimPrefix(want, "[") {
				t.Errorf("boots %s after another one, want %s", got, want)
			}
		})
	}
}

// The file stays short: what was replaced goes, then the oldest boots, and with
// them what they alone were given.
func TestSizeIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	a.most, a.next = 64<<10, 0
	for n := range 600 {
		b := boot(n%50 + 1)
		text := fmt.Sprintf("user-data %d of a boot", n)
		b.Userdata = hashOf(text)
		guest := uuid.UUID{15: byte(n % 7)}
		write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: guest, Boot: b}}, Contents: map[string][]byte{b.Userdata: []byte(text)}})
		a.next = min(a.next, 2*a.most) // without the slack of a large file
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 3*a.most {
		t.Errorf("the file has %d bytes", info.Size())
	}
	last, err := lastOf(open(t, path))
	if err != nil || len(last) != 7 {
		t.Errorf("%d guests have a last boot, %v", len(last), err)
	}
	for guest, b := range last {
		if body, err := a.Content(b.Userdata); err != nil || body == nil {
			t.Errorf("what %v was given in boot %d: %q, %v", guest, b.Number, body, err)
		}
	}
}

// A file that cannot be written leaves what is in it as it is.
func TestFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	_ = a.file.Close()
	if err := a.Write(timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(2)}}}); !errors.Is(err, fs.ErrClosed) || !strings.HasPrefix(err.Error(), "boots: ") {
		t.Errorf("a write to a closed file: %v", err)
	}
	if got := numbers(t, open(t, path), web1); got != "[1]" {
		t.Errorf("boots %s", got)
	}
}

func FuzzOpen(f *testing.F) {
	var out frames
	r, err := pack(web1, boot(1))
	if err != nil {
		f.Fatal(err)
	}
	out.add(r)
	out.add(contentRecord{key: contentKey{1}, packed: []byte{3, 0}})
	out.add(removal{web2})
	f.Add([]byte(heading + string(out.bytes)))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(memorytest.Dir(t), "boots.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, path)
		_, _ = lastOf(a)
		for guest := range a.guests {
			_, _ = a.Boots(guest)
		}
		write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web2, Boot: boot(3)}}})
		if all, err := open(t, path).Boots(web2); len(all) == 0 {
			t.Errorf("a boot is lost: %v", err)
		}
	})
}
