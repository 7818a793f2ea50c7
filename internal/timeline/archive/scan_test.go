package archive

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// wholeScan is scan with the whole file in memory.
func wholeScan(data []byte) (found []place, lost int64) {
	for at := len(heading); at < len(data); {
		if _, length, err := parse(data[at:]); err == nil {
			found = append(found, place{int64(at), int32(length)})
			at += length
			continue
		}
		skip := bytes.Index(data[at+1:], []byte(mark)) + 1
		if skip == 0 {
			skip = len(data) - at
		}
		lost += int64(skip)
		at += skip
	}
	return found, lost
}

// Reading a file in pieces finds the same records as reading it whole, wherever it is
// damaged.
func TestScanInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all frames
	for len(all.bytes) < 5*readAhead {
		body := make([]byte, random.IntN(readAhead/2))
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		all.add(contentRecord{packed: body})
	}
	for round := range 20 {
		data := append([]byte(heading), all.bytes...)
		for range round {
			switch at := len(heading) + random.IntN(len(data)-len(heading)-8); random.IntN(3) {
			case 0:
				data[at]++
			case 1: // a frame that is longer than it is, perhaps than the file
				copy(data[at:], mark+"\x00\x7f\xff\xff")
			default:
				data = slices.Delete(data, at, min(len(data), at+random.IntN(readAhead/8)))
			}
		}
		want, wantLost := wholeScan(data)
		var got []place
		size, lost, err := scan(bytes.NewReader(data[len(heading):]), func(at place, _ record) { got = append(got, at) })
		if err != nil || size != int64(len(data)) || lost != wantLost || !slices.Equal(got, want) {
			t.Errorf("round %d: %d records in %d bytes with %d lost, %v; want %d in %d with %d lost",
				round, len(got), size, lost, err, len(want), len(data), wantLost)
		}
	}
}

// A file that cannot be read to its end is no damaged one: it must not be rewritten
// without what was not read.
func TestScanOfUnreadableFile(t *testing.T) {
	broken := errors.New("input/output error")
	if _, _, err := scan(iotest.ErrReader(broken), func(place, record) {}); !errors.Is(err, broken) {
		t.Errorf("scan: %v, want %v", err, broken)
	}
}

// A file that ends in the middle of its reading, after a first piece that could be read.
func TestScanThatStops(t *testing.T) {
	broken := errors.New("input/output error")
	var long frames
	long.add(contentRecord{packed: make([]byte, 2*readAhead)})
	first := long.bytes[:headLength+readAhead]
	if _, _, err := scan(io.MultiReader(bytes.NewReader(first), iotest.ErrReader(broken)), func(place, record) {}); !errors.Is(err, broken) {
		t.Errorf("scan: %v, want %v", err, broken)
	}
}

func TestScanOfNothing(t *testing.T) {
	size, lost, err := scan(bytes.NewReader(nil), func(place, record) { t.Error("there is a record") })
	if size != int64(len(heading)) || lost != 0 || err != nil {
		t.Errorf("%d bytes, %d lost, %v", size, lost, err)
	}
}

// A frame after other bytes is found, wherever its mark is in the piece that is read: also
// where the piece ends within the mark.
func TestScanFindsTheNextMark(t *testing.T) {
	var one frames
	one.add(contentRecord{packed: []byte("text")})
	const piece = headLength + readAhead
	for _, before := range []int{1, 2, 3, 4, headLength, piece - 5, piece - 4, piece - 3, piece - 2, piece - 1, piece, piece + 1} {
		data := append(make([]byte, before), one.bytes...)
		var got []place
		_, lost, err := scan(bytes.NewReader(data), func(at place, _ record) { got = append(got, at) })
		want := place{int64(len(heading) + before), int32(len(one.bytes))}
		if len(got) != 1 || got[0] != want || lost != int64(before) || err != nil {
			t.Errorf("after %d bytes: %v with %d lost, %v, want %v", before, got, lost, err, want)
		}
	}
}
