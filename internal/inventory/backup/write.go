package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
)

// Write writes a backup. The checksum comes last, so one that is cut off is
// recognized.
func Write(w io.Writer, b *Backup) error {
	buffered := bufio.NewWriter(w)
	sum := sha256.New()
	enc := json.NewEncoder(io.MultiWriter(buffered, sum))
	if err := enc.Encode(b.Header); err != nil {
		return err
	}
	for l, err := range b.lines {
		if err == nil {
			err = enc.Encode(l)
		}
		if err != nil {
			return err
		}
	}
	end := line{SHA256: hex.EncodeToString(sum.Sum(nil))}
	if err := json.NewEncoder(buffered).Encode(end); err != nil {
		return err
	}
	return buffered.Flush()
}

// lines gives all between the header and the checksum.
func (b *Backup) lines(yield func(line, error) bool) {
	for i := range b.Table.Instances {
		if !yield(line{Guest: &b.Table.Instances[i]}, nil) {
			return
		}
	}
	for i := range b.Table.Resting {
		if !yield(line{Resting: &b.Table.Resting[i]}, nil) {
			return
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.Notes)) {
		if !yield(line{Note: &note{key, b.Notes[key]}}, nil) {
			return
		}
	}
	if b.Identity != "" {
		text, err := json.Marshal(b.Identity)
		yield(line{Identity: text}, err)
	}
}
