package pages

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// Offsets within a meta page, after the page's header.
const (
	magicAt    = 0
	versionAt  = 4
	pageSizeAt = 8
	rootAt     = 16
	changeAt   = 48
	sumAt      = 56 // of the bytes before it, by FNV-1a
	metaLength = 64

	magic   = 0xED0CDAED
	version = 2
)

// meta is a sound meta page. A file has two of them, which its changes write in
// turn.
type meta struct {
	pageSize int
	root     uint64 // the first page of the bucket of all buckets
	change   uint64 // the number of the change that wrote it
}

// ErrNoMeta: neither of the first two pages says where the records are.
var ErrNoMeta = errors.New("its first two pages are damaged, or it is not a file of bbolt's")

// newestMeta gives the meta page of the last change, or nil if both are damaged.
func newestMeta(data []byte) *meta {
	newest := readMeta(data, 0)
	for size := minSize; size <= maxSize; size *= 2 {
		second := readMeta(data, size)
		if second != nil && second.pageSize == size && (newest == nil || second.change > newest.change) {
			newest = second
		}
	}
	return newest
}

// readMeta reads the meta page at a place of the file. It gives nil if there is
// none that is sound.
func readMeta(data []byte, at int) *meta {
	if len(data) < at+headerSize+metaLength {
		return nil
	}
	text := data[at+headerSize:][:metaLength]
	sum := fnv.New64a()
	_, _ = sum.Write(text[:sumAt])
	m := &meta{
		pageSize: int(binary.LittleEndian.Uint32(text[pageSizeAt:])),
		root:     binary.LittleEndian.Uint64(text[rootAt:]),
		change:   binary.LittleEndian.Uint64(text[changeAt:]),
	}
	sound := binary.LittleEndian.Uint32(text[magicAt:]) == magic &&
		binary.LittleEndian.Uint32(text[versionAt:]) == version &&
		binary.LittleEndian.Uint64(text[sumAt:]) == sum.Sum64()
	if !sound || !possibleSize(m.pageSize) {
		return nil
	}
	return m
}

// claimedSize gives the size of pages that damaged meta pages still say, or
// usual.
func claimedSize(data []byte, usual int) int {
	for _, at := range []int{0, usual} {
		if len(data) < at+headerSize+metaLength || binary.LittleEndian.Uint32(data[at+headerSize:]) != magic {
			continue
		}
		if size := int(binary.LittleEndian.Uint32(data[at+headerSize+pageSizeAt:])); possibleSize(size) {
			return size
		}
	}
	return usual
}

func possibleSize(size int) bool { return size >= minSize && size <= maxSize && size&(size-1) == 0 }

// Root gives the bucket of all buckets, as the last change has left it. The error
// is ErrNoMeta.
func (f *File) Root() (Bucket, error) {
	if f.meta == nil {
		return Bucket{}, ErrNoMeta
	}
	return Bucket{Root: f.meta.root}, nil
}
