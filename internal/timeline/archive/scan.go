package archive

import (
	"bytes"
	"errors"
	"io"
)

// scan calls a function with each sound record of a file, whose heading has been read.
// The function must not keep the record's bytes. scan returns how long the file is, and
// how many bytes of it belong to no sound record.
func scan(file io.Reader, found func(place, record)) (size, lost int64, err error) {
	w := window{file: file, at: int64(len(heading))}
	for {
		if err := w.want(headLength); err != nil {
			return w.at, lost, err
		}
		if len(w.data) == 0 {
			return w.at, lost, nil
		}
		if err := w.want(frameLength(w.data)); err != nil {
			return w.at, lost, err
		}
		r, length, err := parse(w.data)
		if err == nil {
			found(place{w.at, int32(length)}, r)
		} else {
			length = w.toMark()
			lost += int64(length)
		}
		w.skip(length)
	}
}

// window is a part of a file that is read from its beginning to its end.
type window struct {
	file io.Reader
	data []byte
	at   int64 // where data begins in the file
	end  bool  // data goes up to the end of the file
}

// readAhead is how many bytes are read beyond those that are wanted.
const readAhead = 1 << 20

// want makes the window at least n bytes long, unless the file ends before.
func (w *window) want(n int) error {
	if len(w.data) >= n || w.end {
		return nil
	}
	next := make([]byte, n+readAhead)
	had := copy(next, w.data)
	read, err := io.ReadFull(w.file, next[had:])
	w.data = next[:had+read]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.end, err = true, nil
	}
	return err
}

func (w *window) skip(n int) {
	w.data = w.data[n:]
	w.at += int64(n)
}

// toMark is how many bytes to skip until a frame may begin, at least one.
func (w *window) toMark() int {
	if next := bytes.Index(w.data[1:], []byte(mark)); next >= 0 {
		return next + 1
	}
	return max(1, len(w.data)-len(mark)+1) // a mark may begin in the last bytes
}
