package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"net/netip"
	"strconv"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// A value in the file is the CRC-32C of its bucket, key and JSON, as eight
// hexadecimal digits, a space, and the JSON. So a record under another's key
// is as wrong as one with a flipped bit.
const sealLength = 9

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket, key, text []byte) string {
	sum := crc32.New(castagnoli)
	for _, part := range [][]byte{bucket, key, text} {
		_, _ = fmt.Fprintf(sum, "%d:", len(part))
		_, _ = sum.Write(part)
	}
	return fmt.Sprintf("%08x ", sum.Sum32())
}

// seal makes the value that is stored for a record's JSON.
func seal(bucket, key, text []byte) []byte {
	return append([]byte(checksum(bucket, key, text)), text...)
}

// unseal checks a stored value and gives the JSON in it.
func unseal(bucket, key, value []byte) ([]byte, error) {
	if len(value) < sealLength {
		return nil, errors.New("it has no checksum")
	}
	text := value[sealLength:]
	if checksum(bucket, key, text) != string(value[:sealLength]) {
		return nil, errors.New("its checksum is wrong")
	}
	return text, nil
}

// tally sums up the values of a bucket, so that a record which vanishes with
// its checksum is missed.
type tally struct {
	Count int    `json:"count"`
	Sum   uint64 `json:"sum"`
}

// add counts a value; subtract reverses it. A nil value counts as none.
func (t *tally) add(key, value []byte) {
	if value != nil {
		t.Count++
		t.Sum += digest(key, value)
	}
}

func (t *tally) subtract(key, value []byte) {
	if value != nil {
		t.Count--
		t.Sum -= digest(key, value)
	}
}

func digest(key, value []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(strconv.Itoa(len(key))))
	_, _ = sum.Write(key)
	_, _ = sum.Write(value)
	return sum.Sum64()
}

// state is the store's own record in the bucket "meta", written with each
// change.
type state struct {
	Sequence uint64            `json:"sequence"` // counts the changes
	Tallies  map[string]*tally `json:"tallies"`  // by bucket
}

func newState() *state {
	s := &state{Tallies: map[string]*tally{}}
	for _, bucket := range buckets {
		s.Tallies[string(bucket)] = &tally{}
	}
	return s
}

// complete tells whether the state has a tally for each bucket.
func (s *state) complete() bool {
	for _, bucket := range buckets {
		if s.Tallies[string(bucket)] == nil {
			return false
		}
	}
	return true
}

// verify decodes a record and checks that it is the one of its key.
func verify(bucket, key, text []byte) error {
	switch string(bucket) {
	case string(instancesBucket):
		var guest instance.Instance
		if err := json.Unmarshal(text, &guest); err != nil {
			return err
		}
		if id, err := uuid.FromBytes(key); err != nil || id != guest.UUID {
			return fmt.Errorf("it belongs to another guest, %s", guest.UUID)
		}
	case string(restingBucket):
		var resting instance.Resting
		if err := json.Unmarshal(text, &resting); err != nil {
			return err
		}
		if addr, ok := netip.AddrFromSlice(key); !ok || addr != resting.Addr {
			return fmt.Errorf("it belongs to another address, %s", resting.Addr)
		}
	}
	return nil
}
