package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
)

// mark is the small file beside the database that says that there is one, and
// how many changes it has seen. It is written after each change but not
// synced: it may lag behind the database, and is never ahead of a sound one.
type mark struct {
	Schema   int    `json:"schema"`
	Sequence uint64 `json:"sequence"`
}

// markLength is fixed, so that a mark is overwritten in place by one write.
const markLength = 128

var markName = []byte("mark")

func markPath(path string) string { return path + ".mark" }

// readMark gives nil if there is no mark, or one that cannot be read: then
// nothing is known.
func readMark(path string) (*mark, error) {
	data, err := os.ReadFile(markPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := unseal(markName, nil, trimmed(data))
	if err != nil {
		return &mark{}, nil // there was a database, but its last change is unknown
	}
	m := &mark{}
	if err := json.Unmarshal(text, m); err != nil {
		return &mark{}, nil
	}
	return m, nil
}

func trimmed(data []byte) []byte {
	for len(data) > 0 && (data[len(data)-1] == ' ' || data[len(data)-1] == '\n') {
		data = data[:len(data)-1]
	}
	return data
}

func (m mark) bytes() []byte {
	text, _ := json.Marshal(m) // numbers only
	return fmt.Appendf(nil, "%-*s\n", markLength-1, seal(markName, nil, text))
}

// createMark writes a mark durably and keeps it open for overwriting. Where
// there is no room for another one, an older mark will do.
func createMark(path string, m mark) (*os.File, error) {
	if err := renameio.WriteFile(markPath(path), m.bytes(), fileMode); err != nil {
		older, openErr := os.OpenFile(markPath(path), os.O_WRONLY, 0)
		if openErr != nil {
			return nil, err
		}
		return older, nil
	}
	if err := likeDatabase(path, markPath(path)); err != nil {
		return nil, err
	}
	return os.OpenFile(markPath(path), os.O_WRONLY, 0)
}

// renewMark writes the mark of a database that was replaced. It does not fail, because
// the database is in place: without a mark, Salvage calls fewer records sure.
func renewMark(path string, sequence uint64) {
	if file, err := createMark(path, mark{schemaVersion, sequence}); err == nil {
		_ = file.Close()
	}
}

// missing says how many changes are gone.
func missing(n uint64) string {
	if n == 1 {
		return "the last change is missing"
	}
	return fmt.Sprintf("the last %d changes are missing", n)
}
