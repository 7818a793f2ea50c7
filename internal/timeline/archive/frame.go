package archive

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/google/uuid"
)

// A file is its heading and frames. A frame is the mark, the length and CRC-32C of
// its payload, and the payload. A payload begins with a byte for the record's kind.
// Numbers are big-endian.

const (
	heading    = "mdserver boots 1\n"
	mark       = "\xb0\x07\xed\n" // by which the next frame after a damaged one is found
	headLength = len(mark) + 4 + 4
	// mostPayload is more than any record has.
	mostPayload = 8 << 20
)

var (
	errDamaged = errors.New("the record is damaged")
	errForeign = errors.New("it is no record of boots")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is what a frame has: a bootRecord, a contentRecord or a removal.
type record interface{ payload() []byte }

// contentKey is the first half of a document's SHA-256.
type contentKey [16]byte

// bootRecord is a boot.
type bootRecord struct {
	guest      uuid.UUID
	number     int32
	began      int64 // nanoseconds since 1970
	userdata   contentKey
	vendordata contentKey
	packed     []byte // the boot as JSON, deflated
}

// contentRecord is what guests were given.
type contentRecord struct {
	key    contentKey
	packed []byte // deflated
}

// removal says that all boots of a guest before it are gone.
type removal struct{ guest uuid.UUID }

// Kinds of records.
const (
	kindBoot    = 'b'
	kindContent = 'c'
	kindRemoval = 'r'
)

const bootHead = 16 + 4 + 8 + 16 + 16

func (r bootRecord) payload() []byte {
	p := append([]byte{kindBoot}, r.guest[:]...)
	p = binary.BigEndian.AppendUint32(p, uint32(r.number))
	p = binary.BigEndian.AppendUint64(p, uint64(r.began))
	p = append(append(p, r.userdata[:]...), r.vendordata[:]...)
	return append(p, r.packed...)
}

func (r contentRecord) payload() []byte {
	return append(append([]byte{kindContent}, r.key[:]...), r.packed...)
}

func (r removal) payload() []byte { return append([]byte{kindRemoval}, r.guest[:]...) }

// frames are records as they are appended.
type frames struct {
	bytes []byte
	list  []frame
}

type frame struct {
	record record
	offset int64 // in frames.bytes
	length int32
}

func (f *frames) add(r record) {
	p := r.payload()
	start := len(f.bytes)
	f.bytes = append(f.bytes, mark...)
	f.bytes = binary.BigEndian.AppendUint32(f.bytes, uint32(len(p)))
	f.bytes = binary.BigEndian.AppendUint32(f.bytes, crc32.Checksum(p, castagnoli))
	f.bytes = append(f.bytes, p...)
	f.list = append(f.list, frame{r, int64(start), int32(len(f.bytes) - start)})
}

// addContent adds a document that is not among the known ones.
func (f *frames) addContent(hash string, body []byte, known map[contentKey]place) {
	key, ok := keyOf(hash)
	if _, has := known[key]; ok && !has {
		f.add(contentRecord{key, deflate(body)})
	}
}

// frameLength is how long the frame at the beginning of data says to be, 0 if none
// begins there.
func frameLength(data []byte) int {
	if len(data) < headLength || string(data[:len(mark)]) != mark {
		return 0
	}
	length := binary.BigEndian.Uint32(data[len(mark):])
	if length > mostPayload {
		return 0
	}
	return headLength + int(length)
}

// parse reads the frame at the beginning of data, and returns how long it is.
func parse(data []byte) (record, int, error) {
	end := frameLength(data)
	if end <= headLength || end > len(data) {
		return nil, 0, errDamaged
	}
	p := data[headLength:end]
	if crc32.Checksum(p, castagnoli) != binary.BigEndian.Uint32(data[len(mark)+4:]) {
		return nil, 0, errDamaged
	}
	r, err := parsePayload(p[0], p[1:])
	return r, end, err
}

func parsePayload(kind byte, p []byte) (record, error) {
	switch {
	case kind == kindBoot && len(p) >= bootHead:
		return bootRecord{
			guest:      uuid.UUID(p),
			number:     int32(binary.BigEndian.Uint32(p[16:])),
			began:      int64(binary.BigEndian.Uint64(p[20:])),
			userdata:   contentKey(p[28:]),
			vendordata: contentKey(p[44:]),
			packed:     p[bootHead:],
		}, nil
	case kind == kindContent && len(p) >= len(contentKey{}):
		return contentRecord{contentKey(p), p[len(contentKey{}):]}, nil
	case kind == kindRemoval && len(p) == len(uuid.UUID{}):
		return removal{uuid.UUID(p)}, nil
	}
	return nil, errDamaged
}
