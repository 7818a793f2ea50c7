package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

const pageSize = 4096

// bolt makes a file by bbolt with a small bucket, which has no page of its own, and
// a large one, which is a tree. It returns the file and the large one's records.
func bolt(t testing.TB, records int) ([]byte, map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	err = db.Update(func(tx *bbolt.Tx) error {
		small, err := tx.CreateBucket([]byte("small"))
		if err != nil {
			return err
		}
		large, err := tx.CreateBucket([]byte("large"))
		if err != nil {
			return err
		}
		for n := range records {
			key, value := fmt.Sprintf("key%05d", n), strings.Repeat("v", n%97)
			if n == 7 {
				value = strings.Repeat("long", 3*pageSize) // on overflow pages
			}
			want[key] = value
			if err := large.Put([]byte(key), []byte(value)); err != nil {
				return err
			}
		}
		return small.Put([]byte("a"), []byte("1"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, want
}

// walk returns a bucket's records.
func walk(f *File, b Bucket) (map[string]string, error) {
	found := map[string]string{}
	err := f.Walk(b, func(e Element) { found[string(e.Key)] = string(e.Value) })
	return found, err
}

// buckets returns the buckets of the file by name.
func buckets(t *testing.T, f *File) map[string]Bucket {
	t.Helper()
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Bucket{}
	err = f.Walk(root, func(e Element) {
		if b, ok := e.Bucket(); ok {
			found[string(e.Key)] = b
		}
	})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d buckets, %v", len(found), err)
	}
	return found
}

func TestSoundFile(t *testing.T) {
	data, want := bolt(t, 3000)
	for _, usual := range []int{pageSize, 512, 64 << 10} { // the file says its own
		f := New(data, usual)
		found := buckets(t, f)
		if got, err := walk(f, found["large"]); err != nil || !maps.Equal(got, want) {
			t.Errorf("large: %d records, %v", len(got), err)
		}
		if b := found["small"]; b.Root != 0 {
			t.Errorf("the small bucket is on page %d", b.Root)
		}
		if got, err := walk(f, found["small"]); err != nil || !maps.Equal(got, map[string]string{"a": "1"}) {
			t.Errorf("small: %v, %v", got, err)
		}
		if found["large"].Root == 0 {
			t.Error("the large bucket has no page")
		}
	}
}

// Leaves finds every record without the tree.
func TestLeaves(t *testing.T) {
	data, want := bolt(t, 3000)
	f := New(data, pageSize)
	got := map[string]string{}
	pages := map[uint64]bool{}
	for number, e := range f.Leaves() {
		pages[number] = true
		if _, isBucket := e.Bucket(); !isBucket {
			got[string(e.Key)] = string(e.Value)
		}
	}
	want["a"] = "1" // within the page of its bucket's name
	if !maps.Equal(got, want) || len(pages) < 10 {
		t.Errorf("%d records on %d pages, want %d", len(got), len(pages), len(want))
	}
	count := 0
	for range f.Leaves() {
		if count++; count == 5 {
			break
		}
	}
	if count != 5 {
		t.Errorf("ended after %d", count)
	}
}

// sumMeta makes the sum of a meta page right again.
func sumMeta(data []byte, at int) {
	text := data[at+headerSize:]
	sum := fnv.New64a()
	_, _ = sum.Write(text[:sumAt])
	binary.LittleEndian.PutUint64(text[sumAt:], sum.Sum64())
}

// Either meta page is enough, and the one of the last change counts.
func TestMetaPages(t *testing.T) {
	data, want := bolt(t, 300)
	first, second := readMeta(data, 0), readMeta(data, pageSize)
	if first == nil || second == nil || first.change == second.change {
		t.Fatalf("%+v, %+v", first, second)
	}
	newest, newestAt := first, 0
	if second.change > first.change {
		newest, newestAt = second, pageSize
	}
	if got := newestMeta(data); *got != *newest {
		t.Errorf("%+v, want %+v", got, newest)
	}
	older := pageSize - newestAt
	for _, at := range []int{magicAt, versionAt, rootAt, changeAt, sumAt} {
		broken := slices.Clone(data)
		broken[older+headerSize+at] ^= 1
		if got, err := walk(New(broken, 512), buckets(t, New(broken, 512))["large"]); err != nil || !maps.Equal(got, want) {
			t.Errorf("the older page is damaged at %d: %d records, %v", at, len(got), err)
		}
		broken[newestAt+headerSize+at] ^= 1
		if _, err := New(broken, pageSize).Root(); !errors.Is(err, ErrNoMeta) {
			t.Errorf("both pages are damaged at %d: %v", at, err)
		}
	}
	for name, change := range map[string]func(text []byte){
		"magic":   func(text []byte) { text[magicAt]++ },
		"version": func(text []byte) { text[versionAt]++ },
		"size 0":  func(text []byte) { binary.LittleEndian.PutUint32(text[pageSizeAt:], 0) },
		"size":    func(text []byte) { binary.LittleEndian.PutUint32(text[pageSizeAt:], pageSize+1) },
		"huge":    func(text []byte) { binary.LittleEndian.PutUint32(text[pageSizeAt:], 2*maxSize) },
	} {
		broken := slices.Clone(data)
		change(broken[headerSize:])
		sumMeta(broken, 0)
		if m := readMeta(broken, 0); m != nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if readMeta(data[:headerSize+metaLength-1], 0) != nil || readMeta(data[:headerSize+metaLength], 0) == nil {
		t.Error("the end of a short file is misjudged")
	}
}

// The size of pages is known from damaged meta pages, if they say it.
func TestPageSize(t *testing.T) {
	data, _ := bolt(t, 10)
	damaged := slices.Clone(data)
	for _, at := range []int{0, pageSize} {
		damaged[at+headerSize+sumAt] ^= 1
	}
	if f := New(damaged, 8192); f.size != pageSize || f.meta != nil {
		t.Errorf("pages of %d bytes", f.size)
	}
	damaged[headerSize] ^= 1 // the first one is none at all
	if f := New(damaged, pageSize); f.size != pageSize {
		t.Errorf("pages of %d bytes", f.size)
	}
	binary.LittleEndian.PutUint32(damaged[pageSize+headerSize+pageSizeAt:], 16384)
	if f := New(damaged, pageSize); f.size != 16384 {
		t.Errorf("pages of %d bytes, want those of the second page", f.size)
	}
	if f := New(nil, 8192); f.size != 8192 {
		t.Errorf("an empty file has pages of %d bytes", f.size)
	}
	for size, want := range map[int]bool{0: false, 256: false, 512: true, 513: false, 1024: true, maxSize: true, 2 * maxSize: false} {
		if got := possibleSize(size); got != want {
			t.Errorf("%d: %v", size, got)
		}
	}
}

// Damage costs what is on the damaged page, and is an error.
func TestDamagedPages(t *testing.T) {
	data, want := bolt(t, 3000)
	large := buckets(t, New(data, pageSize))["large"]
	leaf := 0
	for number, e := range New(data, pageSize).Leaves() {
		if bytes.Equal(e.Key, []byte("key01500")) {
			leaf = int(number) * pageSize
		}
	}
	branch := int(large.Root) * pageSize
	for name, tt := range map[string]struct {
		damage func(data []byte)
		says   string
		lost   bool // records
	}{
		"kind":                     {func(d []byte) { d[leaf+8] = 0x10 }, "it holds no records", true},
		"number":                   {func(d []byte) { d[leaf] ^= 1 }, "it says that it is page", false},
		"key outside of the page":  {func(d []byte) { binary.LittleEndian.PutUint32(d[leaf+headerSize+4:], 1<<31) }, "element 0 is outside the page", true},
		"length of a value":        {func(d []byte) { binary.LittleEndian.PutUint32(d[leaf+headerSize+12:], 1<<31) }, "element 0 is outside the page", true},
		"count":                    {func(d []byte) { binary.LittleEndian.PutUint16(d[leaf+10:], 60000) }, "", false},
		"child outside the file":   {func(d []byte) { binary.LittleEndian.PutUint64(d[branch+headerSize+8:], 1<<40) }, "it is outside the file", true},
		"child that is its parent": {func(d []byte) { binary.LittleEndian.PutUint64(d[branch+headerSize+8:], large.Root) }, "it was already read", true},
		"count of children":        {func(d []byte) { binary.LittleEndian.PutUint16(d[branch+10:], 60000) }, "damaged page", false},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := slices.Clone(data)
			tt.damage(damaged)
			got, err := walk(New(damaged, pageSize), large)
			if !errors.Is(err, errPage) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			missing := 0
			for key, value := range want {
				if got[key] != value {
					missing++
				}
			}
			if (missing > 0) != tt.lost || missing > len(want)/2 {
				t.Errorf("%d of %d records are missing", missing, len(want))
			}
		})
	}
	if _, err := walk(New(data, pageSize), Bucket{}); !errors.Is(err, errPage) {
		t.Errorf("a bucket without content: %v", err)
	}
}

func TestBucketElement(t *testing.T) {
	header := func(root uint64, rest int) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, root), make([]byte, 8+rest)...)
	}
	for name, tt := range map[string]struct {
		e    Element
		root uint64
		ok   bool
	}{
		"a record":                 {Element{Value: header(3, 0)}, 0, false},
		"too short":                {Element{Value: header(3, 0)[:headerSize-1], bucket: true}, 0, false},
		"on a page":                {Element{Value: header(3, 0), bucket: true}, 3, true},
		"within":                   {Element{Value: header(0, headerSize), bucket: true}, 0, true},
		"within, without a header": {Element{Value: header(0, headerSize-1), bucket: true}, 0, false},
	} {
		if b, ok := tt.e.Bucket(); ok != tt.ok || ok && b.Root != tt.root {
			t.Errorf("%s: %+v, %v", name, b, ok)
		}
	}
}

// Nothing in a file makes it panic, or read without end.
func FuzzFile(f *testing.F) {
	data, _ := bolt(f, 60)
	f.Add(data[:4*pageSize], uint16(0), byte(0))
	f.Add(data, uint16(2*pageSize+10), byte(0xff))
	f.Fuzz(func(_ *testing.T, data []byte, at uint16, to byte) {
		if int(at) < len(data) {
			data = slices.Clone(data)
			data[at] = to
		}
		file := New(data, 512)
		for _, e := range file.Leaves() {
			if b, ok := e.Bucket(); ok {
				_, _ = walk(file, b)
			}
		}
		if root, err := file.Root(); err == nil {
			_, _ = walk(file, root)
		}
	})
}

// The second meta page is found at each size that pages can have.
func TestSecondMetaPage(t *testing.T) {
	data, _ := bolt(t, 10)
	for size := minSize; size <= maxSize; size *= 2 {
		file := make([]byte, 2*size)
		copy(file[size:], data[:headerSize+metaLength])
		binary.LittleEndian.PutUint32(file[size+headerSize+pageSizeAt:], uint32(size))
		sumMeta(file, size)
		if m := newestMeta(file); m == nil || m.pageSize != size {
			t.Errorf("pages of %d bytes: %+v", size, m)
		}
		binary.LittleEndian.PutUint32(file[size+headerSize+pageSizeAt:], uint32(size^(minSize|2*minSize)))
		sumMeta(file, size)
		if m := newestMeta(file); m != nil {
			t.Errorf("a page at %d that says another size: %+v", size, m)
		}
	}
	for _, changes := range [][2]uint64{{7, 8}, {8, 7}, {7, 7}} {
		for i, at := range []int{0, pageSize} {
			binary.LittleEndian.PutUint64(data[at+headerSize+changeAt:], changes[i])
			binary.LittleEndian.PutUint64(data[at+headerSize+rootAt:], uint64(10+i))
			sumMeta(data, at)
		}
		want := uint64(10)
		if changes[1] > changes[0] {
			want = 11
		}
		if root, err := New(data, pageSize).Root(); err != nil || root.Root != want {
			t.Errorf("changes %v: the root is %d, %v; want %d", changes, root.Root, err, want)
		}
	}
}

// sheet is one page of 512 bytes with elements that are empty, or lead to children.
func sheet(number uint64, kind byte, count int, children ...uint64) []byte {
	text := make([]byte, minSize)
	binary.LittleEndian.PutUint64(text, number)
	text[8] = kind
	binary.LittleEndian.PutUint16(text[10:], uint16(count))
	for i, child := range children {
		binary.LittleEndian.PutUint64(text[headerSize*(i+1)+8:], child)
	}
	return text
}

func TestFullPages(t *testing.T) {
	const most = minSize/headerSize - 1
	for count, says := range map[int]string{most: "", most + 1: "it can have at most 31 elements, not 32"} {
		found := 0
		err := New(sheet(0, kindLeaf, count), minSize).walk(0, map[uint64]bool{}, 0, func(Element) bool { found++; return true })
		if found != most || (err == nil) != (says == "") || err != nil && !strings.HasSuffix(err.Error(), says) {
			t.Errorf("a leaf of %d: %d elements, %v", count, found, err)
		}
		numbers, err := parse(sheet(0, kindBranch, count)).children()
		if len(numbers) != most || (err == nil) != (says == "") || err != nil && !strings.HasSuffix(err.Error(), says) {
			t.Errorf("a branch of %d: %d children, %v", count, len(numbers), err)
		}
	}
	// an inline bucket has its errors, too
	inline := sheet(0, kindLeaf, 5)[:2*headerSize]
	if err := New(nil, minSize).Walk(Bucket{inline: inline}, func(Element) {}); !errors.Is(err, errPage) {
		t.Errorf("an inline bucket of which most is missing: %v", err)
	}
	if err := New(nil, minSize).Walk(Bucket{inline: inline[:headerSize-1]}, func(Element) {}); !errors.Is(err, errPage) {
		t.Errorf("an inline bucket without a header: %v", err)
	}
}

// A page that two others lead to is read once, and a tree of any depth ends.
func TestTreesThatAreNone(t *testing.T) {
	twice := slices.Concat(sheet(0, kindBranch, 2, 1, 1), sheet(1, kindLeaf, 3))
	found := 0
	count := func(Element) bool { found++; return true }
	if err := New(twice, minSize).walk(0, map[uint64]bool{}, 0, count); err == nil || found != 3 || !strings.Contains(err.Error(), "page 1: it was already read") {
		t.Errorf("%d elements, %v", found, err)
	}
	for depth, ok := range map[uint64]bool{maxDepth: true, maxDepth + 1: false} {
		var deep []byte
		for number := range depth {
			deep = append(deep, sheet(number, kindBranch, 1, number+1)...)
		}
		deep = append(deep, sheet(depth, kindLeaf, 1)...)
		found = 0
		if err := New(deep, minSize).walk(0, map[uint64]bool{}, 0, count); (err == nil) != ok || (found == 1) != ok {
			t.Errorf("depth %d: %d elements, %v", depth, found, err)
		}
	}
}
