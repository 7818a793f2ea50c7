// Package pages reads the pages of a bbolt file that bbolt itself may not be able
// to open. It trusts nothing in the file: each length and place is checked, and
// what does not fit is left out.
//
// The layout is that of go.etcd.io/bbolt, internal/common: a page has a header
// of 16 bytes (number, kind, count of elements, overflow pages), then elements of
// 16 bytes, then keys and values. Numbers are little-endian, as on all
// machines that mdserver is built for.
package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

const (
	headerSize       = 16 // of a page, an element, and a bucket
	kindBranch       = 0x01
	kindLeaf         = 0x02
	flagBucket       = 0x01
	minSize, maxSize = 512, 64 << 10 // of a page
	maxDepth         = 64            // of a tree
)

// File is the content of a bbolt file.
type File struct {
	data []byte
	size int   // of a page
	meta *meta // nil if neither of the two is sound
}

// New reads a file. The size of its pages is what its first two pages say, or
// usual if they say nothing.
func New(data []byte, usual int) *File {
	f := &File{data: data, size: usual}
	f.meta = newestMeta(data)
	switch {
	case f.meta != nil:
		f.size = f.meta.pageSize
	default:
		f.size = claimedSize(data, usual)
	}
	return f
}

// page is the text of a page with its overflow pages.
type page struct {
	number      uint64 // as the page itself says
	kind, count int
	text        []byte
}

var errPage = errors.New("damaged page")

// page reads the page of a number.
func (f *File) page(number uint64) (page, error) {
	if number >= uint64(len(f.data)/f.size) {
		return page{}, fmt.Errorf("%w %d: it is outside the file", errPage, number)
	}
	start := int(number) * f.size
	overflow := uint64(binary.LittleEndian.Uint32(f.data[start+12:]))
	end := len(f.data)
	if pages := number + 1 + overflow; pages < uint64(len(f.data)/f.size) {
		end = int(pages) * f.size
	}
	p := parse(f.data[start:end])
	if p.kind != kindLeaf && p.kind != kindBranch {
		return p, fmt.Errorf("%w %d: it holds no records", errPage, number)
	}
	return p, nil
}

// parse reads the header of a page; text has at least that.
func parse(text []byte) page {
	return page{
		number: binary.LittleEndian.Uint64(text),
		kind:   int(binary.LittleEndian.Uint16(text[8:])),
		count:  int(binary.LittleEndian.Uint16(text[10:])),
		text:   text,
	}
}

// Element is a record or a bucket on a leaf page.
type Element struct {
	Key, Value []byte
	bucket     bool
}

// Bucket is a bucket of the file.
type Bucket struct {
	Root   uint64 // number of its first page; 0 if it is within the page of its name
	inline []byte
}

// Bucket reads an element as a bucket; ok is false if it is none.
func (e Element) Bucket() (b Bucket, ok bool) {
	if !e.bucket || len(e.Value) < headerSize {
		return Bucket{}, false
	}
	b.Root = binary.LittleEndian.Uint64(e.Value)
	if b.Root == 0 {
		b.inline = e.Value[headerSize:]
		ok = len(b.inline) >= headerSize
		return b, ok
	}
	return b, true
}

// elements gives the elements of a leaf page that are within it. The error is
// that of the first one that is not.
func (p page) elements(yield func(Element) bool) error {
	var failed error
	for i := range p.count {
		at := headerSize * (i + 1)
		if at+headerSize > len(p.text) {
			return fmt.Errorf("%w: it can have at most %d elements, not %d", errPage, i, p.count)
		}
		flags := binary.LittleEndian.Uint32(p.text[at:])
		start := uint64(at) + uint64(binary.LittleEndian.Uint32(p.text[at+4:]))
		middle := start + uint64(binary.LittleEndian.Uint32(p.text[at+8:]))
		end := middle + uint64(binary.LittleEndian.Uint32(p.text[at+12:]))
		if end > uint64(len(p.text)) {
			failed = fmt.Errorf("%w: element %d is outside the page", errPage, i)
			continue
		}
		if !yield(Element{p.text[start:middle], p.text[middle:end], flags&flagBucket != 0}) {
			return nil
		}
	}
	return failed
}

// children gives the pages that a branch page leads to.
func (p page) children() (numbers []uint64, err error) {
	for i := range p.count {
		at := headerSize * (i + 1)
		if at+headerSize > len(p.text) {
			return numbers, fmt.Errorf("%w: it can have at most %d elements, not %d", errPage, i, p.count)
		}
		numbers = append(numbers, binary.LittleEndian.Uint64(p.text[at+8:]))
	}
	return numbers, nil
}

// Leaves gives the elements of each page of the file that looks like a leaf,
// whether it is in use or was left by an earlier change. Those within a bucket
// that has no page of its own follow it.
func (f *File) Leaves() iter.Seq2[uint64, Element] {
	return func(yield func(uint64, Element) bool) {
		going := true
		for number := range uint64(len(f.data) / f.size) {
			p, err := f.page(number)
			if err != nil || p.kind != kindLeaf {
				continue
			}
			give := func(e Element) bool { going = going && yield(number, e); return going }
			_ = p.elements(func(e Element) bool { // damaged elements are left out
				b, ok := e.Bucket()
				if give(e) && ok && b.Root == 0 {
					_ = parse(b.inline).elements(give)
				}
				return going
			})
			if !going {
				return
			}
		}
	}
}

// Walk gives all elements of a bucket that can be reached. Its errors say which
// pages cannot be read.
func (f *File) Walk(b Bucket, yield func(Element)) error {
	take := func(e Element) bool { yield(e); return true }
	if b.Root == 0 {
		if len(b.inline) < headerSize {
			return fmt.Errorf("%w: a bucket without content", errPage)
		}
		return parse(b.inline).elements(take)
	}
	return f.walk(b.Root, map[uint64]bool{}, 0, take)
}

func (f *File) walk(number uint64, seen map[uint64]bool, depth int, take func(Element) bool) error {
	if seen[number] || depth > maxDepth {
		return fmt.Errorf("%w %d: it was already read", errPage, number)
	}
	seen[number] = true
	p, err := f.page(number)
	if err != nil {
		return err
	}
	if p.number != number {
		err = fmt.Errorf("%w %d: it says that it is page %d", errPage, number, p.number)
	}
	if p.kind == kindLeaf {
		return errors.Join(err, p.elements(take))
	}
	children, failed := p.children()
	err = errors.Join(err, failed)
	for _, child := range children {
		err = errors.Join(err, f.walk(child, seen, depth+1, take))
	}
	return err
}
