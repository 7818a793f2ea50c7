package archive

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
)

func inMemory() *Archive {
	return &Archive{log: slog.New(slog.DiscardHandler), guests: map[uuid.UUID][]entry{}, contents: map[contentKey]place{}}
}

// The length of all that the index names is known after each record.
func TestLiveBytes(t *testing.T) {
	a := inMemory()
	boot := func(guest uuid.UUID, number int32) bootRecord {
		return bootRecord{guest: guest, number: number, began: int64(number)}
	}
	for _, step := range []struct {
		name   string
		record record
		length int32
		want   int64
	}{
		{"a boot", boot(web1, 2), 100, 100},
		{"another guest's", boot(web2, 1), 10, 110},
		{"an earlier one", boot(web1, 1), 30, 140},
		{"the same again, longer", boot(web1, 2), 150, 190},
		{"a document", contentRecord{key: contentKey{1}}, 7, 197},
		{"a document that is known", contentRecord{key: contentKey{1}}, 7, 197},
		{"another document", contentRecord{key: contentKey{2}}, 3, 200},
		{"a removal", removal{web1}, 20, 20},
		{"the same removal", removal{web1}, 20, 20},
	} {
		if a.index(place{length: step.length}, step.record); a.live != step.want {
			t.Errorf("%s: %d bytes, want %d", step.name, a.live, step.want)
		}
	}
	if len(a.guests) != 1 || len(a.guests[web2]) != 1 {
		t.Errorf("%+v", a.guests)
	}
	for n := range int32(mostBoots + 5) {
		a.index(place{length: 1}, boot(web2, n+2))
	}
	if a.live != 10+mostBoots || len(a.guests[web2]) != mostBoots || a.guests[web2][0].number != 7 {
		t.Errorf("%d bytes, %d boots, the first is %d", a.live, len(a.guests[web2]), a.guests[web2][0].number)
	}
}

// The oldest boots of all guests go first, and never the last one of a guest.
func TestDropOldest(t *testing.T) {
	a := inMemory()
	a.most = 80
	for n := range int32(4) {
		a.index(place{length: 10}, bootRecord{guest: web1, number: n, began: int64(10 * n)})
		a.index(place{length: 10}, bootRecord{guest: web2, number: n, began: int64(10*n + 5)})
	}
	a.dropOldest()
	left := func(guest uuid.UUID) (all []int32) {
		for _, e := range a.guests[guest] {
			all = append(all, e.number)
		}
		return all
	}
	if got := fmt.Sprint(left(web1), left(web2), a.live); got != "[1 2 3] [1 2 3] 60" {
		t.Errorf("left are %s", got)
	}
	a.most = 79
	a.dropOldest()
	if got := fmt.Sprint(left(web1), left(web2), a.live); got != "[2 3] [1 2 3] 50" {
		t.Errorf("left are %s", got)
	}
	a.most = 4
	a.dropOldest()
	if got := fmt.Sprint(left(web1), left(web2), a.live); got != "[3] [3] 20" {
		t.Errorf("left are %s", got)
	}
}

// The newest documents stay if not all have room, and none that no boot was given.
func TestNewestContents(t *testing.T) {
	a := inMemory()
	used := map[contentKey]bool{}
	for n := range int64(5) {
		a.contents[contentKey{byte(n)}] = place{offset: n, length: 10}
		used[contentKey{byte(n)}] = n != 3
	}
	for room, want := range map[int64]string{100: "[4 2 1 0]", 40: "[4 2 1 0]", 39: "[4 2 1]", 10: "[4]", 9: "[]", -1: "[]"} {
		var offsets []int64
		for _, at := range a.newestContents(used, room) {
			offsets = append(offsets, at.offset)
		}
		if got := fmt.Sprint(offsets); got != want {
			t.Errorf("room for %d bytes: %s, want %s", room, got, want)
		}
	}
	if got := total([]place{{length: 3}, {length: 4}}); got != 7 {
		t.Errorf("total %d", got)
	}
}

// A new file has what the index names, in the order of the old one, and is as private.
func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	kept, gone := boot(2), boot(1)
	kept.Userdata, kept.Vendordata, gone.Userdata = hashOf("kept"), hashOf("vendor"), hashOf("gone")
	contents := map[string][]byte{hashOf("kept"): []byte("kept"), hashOf("vendor"): []byte("vendor"), hashOf("gone"): []byte("gone"), hashOf("of no boot"): []byte("x")}
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: gone}, {Guest: web2, Boot: kept}}, Contents: contents})
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(3)}}})
	write(t, a, timeline.Batch{Removed: []uuid.UUID{web1}})
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	if all := a.inOrder(); len(all) != 4 || !slices.IsSortedFunc(all, func(x, y place) int { return int(x.offset - y.offset) }) {
		t.Errorf("the new file will have %v", all)
	}
	before := a.size
	a.next = a.size + 1
	if a.tidy(); a.size != before {
		t.Errorf("it is rewritten at %d bytes before its limit %d", a.size, a.next)
	}
	a.next = a.size
	a.tidy()
	info, err := os.Stat(path)
	if err != nil || info.Size() != a.size || a.size >= before || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %d of %d bytes, %v", info, a.size, before, err)
	}
	if a.live != a.size-int64(len(heading)) || a.next != 2*a.live+slack {
		t.Errorf("%d bytes, %d of them live, next at %d", a.size, a.live, a.next)
	}
	for _, a := range []*Archive{a, open(t, path)} {
		if got := numbers(t, a, web1) + numbers(t, a, web2); got != "[1][2]" {
			t.Errorf("boots %s", got)
		}
		for text, want := range map[string]string{"kept": "kept", "vendor": "vendor", "gone": "", "of no boot": ""} {
			if body, err := a.Content(hashOf(text)); string(body) != want || err != nil {
				t.Errorf("content %q of %s, %v", body, text, err)
			}
		}
	}
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(2)}}})
	if got := numbers(t, open(t, path), web1); got != "[1 2]" {
		t.Errorf("boots %s after a further write", got)
	}
}

// A file that cannot be replaced stays, is written on, and is tried again later.
func TestRewriteThatFails(t *testing.T) {
	dir := t.TempDir()
	log := &strings.Builder{}
	a, err := Open(filepath.Join(dir, "boots.db"), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	a.path, a.next = filepath.Join(dir, "nothere", "boots.db"), 0
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	if a.next != a.size+slack || strings.Count(log.String(), "cannot be shortened") != 1 {
		t.Errorf("next at %d of %d bytes; logged %q", a.next, a.size, log)
	}
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(2)}}})
	if got := numbers(t, a, web1); got != "[1 2]" || strings.Count(log.String(), "cannot be shortened") != 1 {
		t.Errorf("boots %s; logged %q", got, log)
	}
}

// What is wrong with a file at its start is in the log, and no more.
func TestLogOfOpen(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "boots.db")
	write(t, open(t, sound), timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}, {Guest: web1, Boot: boot(2)}}})
	data, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		data  []byte
		want  string
		aside bool
	}{
		"sound":        {data, "", false},
		"empty":        {nil, "", false},
		"damaged":      {append(bytes.Clone(data), "xyz"...), "level=WARN msg=\"the record of boots was damaged; the sound parts are used\" path=PATH lost_bytes=3\n", false},
		"by one byte":  {append(bytes.Clone(data), 'x'), "lost_bytes=1\n", false},
		"foreign":      {[]byte("something else entirely"), "the record of boots cannot be read, and is begun again", true},
		"a short file": {[]byte("x"), "the record of boots cannot be read, and is begun again", true},
	} {
		path, log := filepath.Join(t.TempDir(), "boots.db"), &strings.Builder{}
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got := log.String(); (got == "") != (tt.want == "") || !strings.Contains(got, strings.Replace(tt.want, "PATH", path, 1)) {
			t.Errorf("%s: logged %q, want %q", name, got, tt.want)
		}
		if aside, err := os.ReadFile(path + ".damaged"); (err == nil) != tt.aside || tt.aside && !bytes.Equal(aside, tt.data) {
			t.Errorf("%s: aside %q, %v", name, aside, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != a.size || a.next != 2*a.live+slack {
			t.Errorf("%s: %v, size %d, next at %d, live %d, %v", name, info, a.size, a.next, a.live, err)
		}
		if got, err := os.ReadFile(path); err != nil || tt.aside != (string(got) == heading) && len(tt.data) > 0 || strings.HasPrefix(string(tt.data), heading) && !bytes.Equal(got, data) {
			t.Errorf("%s: the file is %q, %v", name, got, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: closed twice: %v", name, err)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "nothere", "boots.db"), t.TempDir()} {
		if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "boots: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	fresh := filepath.Join(t.TempDir(), "boots.db")
	open(t, fresh)
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 || info.Size() != int64(len(heading)) {
		t.Errorf("%v, %v", info, err)
	}
}

// A record that is damaged after the start is an error of what needs it, and of nothing
// else.
func TestDamageAfterTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	b := boot(2)
	b.Userdata = hashOf("text")
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}, {Guest: web1, Boot: b}, {Guest: web2, Boot: boot(1)}}, Contents: map[string][]byte{b.Userdata: []byte("text")}})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := keyOf(b.Userdata)
	damage := func(at place) {
		data[at.offset+int64(at.length)-1] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage(a.guests[web1][1].place)
	if all, err := a.Boots(web1); len(all) != 1 || all[0].Number != 1 || !errors.Is(err, errDamaged) {
		t.Errorf("%d boots, %v", len(all), err)
	}
	last := map[uuid.UUID]int{}
	if err := a.EachLast(func(id uuid.UUID, b api.Boot) { last[id] = b.Number }); len(last) != 1 || last[web2] != 1 || !errors.Is(err, errDamaged) {
		t.Errorf("last boots %v, %v", last, err)
	}
	damage(a.contents[key])
	if body, err := a.Content(b.Userdata); body != nil || err == nil || err.Error() != "boots: the record is damaged" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := a.Content("x"); err == nil || err.Error() != `boots: "x" is no hash` {
		t.Errorf("%v", err)
	}
	a.next = 0
	a.tidy() // leaves out what is damaged
	if a.live != a.size-int64(len(heading)) {
		t.Errorf("%d bytes live of %d", a.live, a.size)
	}
	if all, err := a.Boots(web1); len(all) != 1 || err != nil || a.next != 2*a.live+slack {
		t.Errorf("%d boots besides the damaged one, %v; tidied next at %d bytes", len(all), err, a.next)
	}
	if got := numbers(t, open(t, path), web1); got != "[1]" {
		t.Errorf("boots %s", got)
	}
	a.contents[key], a.guests[web2][0].place = a.guests[web1][0].place, place{int64(len(heading)), 5}
	if _, err := a.Content(b.Userdata); !errors.Is(err, errDamaged) {
		t.Errorf("a boot as a document: %v", err)
	}
	if _, err := a.Boots(web2); !errors.Is(err, errDamaged) {
		t.Errorf("a part of a record: %v", err)
	}
	a.guests[web2][0].place = place{1 << 40, 5}
	if _, err := a.Boots(web2); !errors.Is(err, io.EOF) || !strings.HasPrefix(err.Error(), "boots: ") {
		t.Errorf("a place behind the end: %v", err)
	}
}

// A document is no boot, and a boot that is not there is named.
func TestNoBoot(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "boots.db"))
	b := boot(1)
	b.Userdata = hashOf("text")
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: b}}, Contents: map[string][]byte{b.Userdata: []byte("text")}})
	if _, err := a.Boot(web2, 7); err == nil || err.Error() != "boots: there is no boot 7 of "+web2.String() {
		t.Errorf("%v", err)
	}
	key, _ := keyOf(b.Userdata)
	a.guests[web1][0].place = a.contents[key]
	if _, err := a.Boots(web1); !errors.Is(err, errDamaged) || err.Error() != "boots: the record is damaged" {
		t.Errorf("a document as a boot: %v", err)
	}
}

// A boot that JSON cannot express is not written, and neither is the rest of its batch.
func TestBootThatCannotBeWritten(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "boots.db"))
	odd := boot(1)
	odd.Began = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := pack(web1, odd); err == nil {
		t.Error("it is packed")
	}
	err := a.Write(timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web2, Boot: boot(1)}, {Guest: web1, Boot: odd}}})
	if err == nil || !strings.HasPrefix(err.Error(), "boots: ") || a.size != int64(len(heading)) {
		t.Errorf("%v, %d bytes", err, a.size)
	}
}

// What may not be on the disk is not in the index: a device takes all that is written to
// it, and cannot be synchronized.
func TestWriteThatIsNotSynchronized(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	a := inMemory()
	a.file, a.next = null, slack
	defer func() { _ = a.Close() }()
	err = a.Write(timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	if err == nil || !strings.HasPrefix(err.Error(), "boots: ") || a.size != 0 || len(a.guests) > 0 {
		t.Errorf("%v, %d bytes, %d guests", err, a.size, len(a.guests))
	}
}

// A file that cannot be read or begun is an error, and not an empty record.
func TestReadAllFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "boots.db")
	if err := os.WriteFile(foreign, []byte("something else entirely"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path   string
		closed bool
		want   error
	}{
		"an empty file that cannot be written": {path, false, syscall.EBADF},
		"a closed file":                        {path, true, fs.ErrClosed},
		"a foreign file":                       {foreign, false, errForeign},
	} {
		file, err := os.Open(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if tt.closed {
			_ = file.Close()
		}
		size, lost, err := inMemory().readAll(file)
		if _ = file.Close(); !errors.Is(err, tt.want) || err != nil && tt.want != syscall.EBADF && size+lost != 0 {
			t.Errorf("%s: %d bytes, %d lost, %v, want %v", name, size, lost, err, tt.want)
		}
	}
}

// A file that cannot be set aside is left as it is.
func TestForeignFileThatStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boots.db")
	if err := errors.Join(os.WriteFile(path, []byte("something else entirely"), 0o600), os.MkdirAll(path+".damaged/x", 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "boots: ") {
		t.Errorf("opened: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "something else entirely" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// Old boots go only if all together are too much. Unless told otherwise that is 128 MiB.
func TestRewriteDropsTheOldest(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "boots.db"))
	if a.most != 128<<20 {
		t.Errorf("at most %d bytes are kept", a.most)
	}
	for n := 1; n <= 9; n++ {
		write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(n)}}})
	}
	a.most = a.live
	if err := a.rewrite(); err != nil || numbers(t, a, web1) != "[1 2 3 4 5 6 7 8 9]" {
		t.Errorf("boots %s, %v", numbers(t, a, web1), err)
	}
	a.most = a.live - 1
	if err := a.rewrite(); err != nil || numbers(t, a, web1) != "[4 5 6 7 8 9]" {
		t.Errorf("boots %s, %v", numbers(t, a, web1), err)
	}
}

// A new file that does not come to its end leaves the old one, and nothing beside it.
func TestRewriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir) // where renameio makes the new file if it can
	a := open(t, filepath.Join(dir, "boots.db"))
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	before, size := a.guests[web1][0], a.size
	left := func() string {
		var names []string
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return fmt.Sprint(names)
	}
	a.guests[web1][0].offset = 1 << 40
	if err := a.rewrite(); !errors.Is(err, io.EOF) || left() != "[boots.db]" {
		t.Errorf("a record that cannot be read: %v, the directory has %s", err, left())
	}
	a.guests[web1][0] = before
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	a.path = filepath.Join(dir, "taken")
	if err := a.rewrite(); err == nil || left() != "[boots.db taken]" {
		t.Errorf("a path that is taken: %v, the directory has %s", err, left())
	}
	if got := numbers(t, a, web1); got != "[1]" || a.size != size {
		t.Errorf("boots %s in %d bytes", got, a.size)
	}
}

// A boot is small, as most of it is in the dictionary.
func TestSizeOfABoot(t *testing.T) {
	r, err := pack(web1, boot(1))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	w, err := flate.NewWriter(&plain, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	text, err := inflate(r.packed)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(text)
	_ = w.Close()
	if len(r.packed) > plain.Len()*4/5 {
		t.Errorf("it has %d bytes, and %d without the dictionary", len(r.packed), plain.Len())
	}
}

func TestFrameLength(t *testing.T) {
	head := func(length uint32) []byte {
		return append(binary.BigEndian.AppendUint32([]byte(mark), length), 0, 0, 0, 0)
	}
	for name, tt := range map[string]struct {
		data []byte
		want int
	}{
		"no payload":     {head(0), headLength},
		"its head alone": {head(5), headLength + 5},
		"with more":      {append(head(5), "payload"...), headLength + 5},
		"a short head":   {head(5)[:headLength-1], 0},
		"another mark":   {append([]byte("x"), head(5)[1:]...), 0},
		"the longest":    {head(mostPayload), headLength + mostPayload},
		"too long":       {head(mostPayload + 1), 0},
		"nothing":        {nil, 0},
	} {
		if got := frameLength(tt.data); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// A frame that is not whole and sound has no length.
func TestParseDamaged(t *testing.T) {
	var sound, empty, unknown frames
	sound.add(removal{web1})
	empty.add(payload(""))
	unknown.add(payload("xyz"))
	other := bytes.Clone(sound.bytes)
	other[headLength+1] ^= 1
	for name, data := range map[string][]byte{
		"nothing":         nil,
		"without its end": sound.bytes[:len(sound.bytes)-1],
		"an empty one":    empty.bytes,
		"another sum":     other,
		"unknown":         unknown.bytes,
	} {
		if r, length, err := parse(data); r != nil || !errors.Is(err, errDamaged) || length != 0 && name != "unknown" {
			t.Errorf("%s: %v of %d bytes, %v", name, r, length, err)
		}
	}
}

// payload is a record as it is in a frame.
type payload string

func (p payload) payload() []byte { return []byte(p) }

// A frame's payload is as long as its kind demands.
func TestParsePayload(t *testing.T) {
	var long []byte
	for n := range byte(100) {
		long = append(long, n)
	}
	boot := bootRecord{uuid.UUID(long[:16]), 0x10111213, 0x1415161718191a1b, contentKey(long[28:44]), contentKey(long[44:60]), []byte{}}
	more := boot
	more.packed = []byte{60, 61}
	for name, tt := range map[string]struct {
		kind   byte
		length int
		want   record
	}{
		"a boot":               {kindBoot, bootHead, boot},
		"a boot with more":     {kindBoot, bootHead + 2, more},
		"a short boot":         {kindBoot, bootHead - 1, nil},
		"a document":           {kindContent, 17, contentRecord{contentKey(long[:16]), []byte{16}}},
		"a long document":      {kindContent, bootHead + 5, contentRecord{contentKey(long[:16]), long[16 : bootHead+5]}},
		"an empty document":    {kindContent, 16, contentRecord{contentKey(long[:16]), []byte{}}},
		"a short document":     {kindContent, 15, nil},
		"a removal":            {kindRemoval, 16, removal{uuid.UUID(long[:16])}},
		"a short removal":      {kindRemoval, 15, nil},
		"a long removal":       {kindRemoval, 17, nil},
		"of an unknown kind":   {'x', 16, nil},
		"of no kind and empty": {0, 0, nil},
	} {
		got, err := parsePayload(tt.kind, long[:tt.length])
		if !reflect.DeepEqual(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tt.want)
		}
		if tt.want != nil {
			var out frames
			out.add(tt.want)
			if r, n, err := parse(append(out.bytes, "more"...)); !reflect.DeepEqual(r, tt.want) || n != len(out.bytes) || err != nil {
				t.Errorf("%s in a frame: %+v of %d bytes, %v", name, r, n, err)
			}
			if _, _, err := parse(out.bytes[:len(out.bytes)-1]); err == nil {
				t.Errorf("%s: a frame without its end is read", name)
			}
		}
	}
}

// Only a whole hash names a document, and each is written once.
func TestAddContent(t *testing.T) {
	var out frames
	known := map[contentKey]place{}
	first, second := hashOf("first"), hashOf("second")
	key, _ := keyOf(first)
	known[key] = place{}
	for _, hash := range []string{first, second, "", "x", second[:30], second + "x"} {
		out.addContent(hash, []byte("text"), known)
	}
	want, _ := keyOf(second)
	if len(out.list) != 1 || out.list[0].record.(contentRecord).key != want {
		t.Errorf("%+v", out.list)
	}
	if short, ok := keyOf(second[:32]); !ok || short != want {
		t.Errorf("half of a hash is the key %v", short)
	}
}

// What becomes too long when it is unpacked is damaged.
func TestInflate(t *testing.T) {
	for length, want := range map[int]error{0: nil, 1: nil, mostUnpacked: nil, mostUnpacked + 1: errDamaged} {
		if got, err := inflate(deflate(make([]byte, length))); !errors.Is(err, want) || err == nil && len(got) != length || err != nil && got != nil {
			t.Errorf("%d bytes become %d, %v", length, len(got), err)
		}
	}
	if _, err := inflate([]byte("no deflate")); err == nil || !strings.HasPrefix(err.Error(), "boots: ") {
		t.Errorf("%v", err)
	}
	for name, change := range map[string]func(*bootRecord){
		"another number": func(r *bootRecord) { r.number++ },
		"no JSON":        func(r *bootRecord) { r.packed = deflate([]byte("{")) },
		"no deflate":     func(r *bootRecord) { r.packed = []byte("x") },
	} {
		r, err := pack(web1, boot(1))
		if err != nil {
			t.Fatal(err)
		}
		change(&r)
		if b, err := r.unpack(); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// A removal of a guest that is not in the file writes nothing.
func TestRemovalOfUnknownGuests(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "boots.db"))
	write(t, a, timeline.Batch{Removed: []uuid.UUID{web1, web2}})
	if a.size != int64(len(heading)) {
		t.Errorf("%d bytes", a.size)
	}
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: api.Boot{Number: 1}}}, Removed: []uuid.UUID{web1}})
	if got := numbers(t, a, web1); got != "[1]" || a.live != a.size-int64(len(heading)) {
		t.Errorf("boots %s, %d bytes live of %d", got, a.live, a.size)
	}
}
