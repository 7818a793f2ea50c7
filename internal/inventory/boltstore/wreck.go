package boltstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/boltstore/pages"
)

// version is one sealed value of a key.
type version struct {
	key, value []byte
	page       uint64 // where it was found first
	sums       tally  // its share of its bucket's sums
}

func newVersion(page uint64, e pages.Element) version {
	v := version{key: e.Key, value: e.Value, page: page}
	v.sums.add(e.Key, e.Value)
	return v
}

// set is one record for each key of a bucket.
type set map[string]version

func (s set) tally() (t tally) {
	for _, v := range s {
		t.Count, t.Sum = t.Count+v.sums.Count, t.Sum+v.sums.Sum
	}
	return t
}

// wreck is all that was found in a file.
type wreck struct {
	versions   map[string]map[string][]version // by bucket and key, each value once
	candidates map[string][]set                // by bucket: as the pages describe it, now or at an earlier change
	state      *state                          // of the last change that is noted anywhere
	schema     int                             // the highest that is noted anywhere
	rivals     bool                            // another change has the same number: one of them failed
}

func (w *wreck) empty() bool {
	return len(w.versions[Instances])+len(w.versions[Resting])+len(w.versions[Meta]) == 0 && w.state == nil
}

// gather finds all sealed records and all pages that describe the buckets.
func gather(f *pages.File) *wreck {
	w := &wreck{versions: map[string]map[string][]version{}, candidates: map[string][]set{}}
	for _, bucket := range buckets {
		w.versions[string(bucket)] = map[string][]version{}
	}
	for page, e := range f.Leaves() {
		if _, ok := e.Bucket(); !ok {
			w.addVersion(page, e)
		}
	}
	read := map[string]bool{} // buckets with a page of their own
	for _, e := range f.Leaves() {
		b, ok := e.Bucket()
		id := fmt.Sprintf("%s %d", e.Key, b.Root)
		if ok && (b.Root == 0 || !read[id]) {
			read[id] = true
			w.addCandidate(f, string(e.Key), b)
		}
	}
	return w
}

func (w *wreck) addVersion(page uint64, e pages.Element) {
	if version, err := strconv.Atoi(string(e.Value)); err == nil && string(e.Key) == schemaKey {
		w.schema = max(w.schema, version)
		return
	}
	for _, bucket := range buckets {
		text, err := unseal(bucket, e.Key, e.Value)
		if err != nil {
			continue
		}
		if isOwn(bucket, e.Key) {
			w.addState(text)
			return
		}
		if verify(bucket, e.Key, text) != nil {
			return
		}
		if _, known := w.find(string(bucket), e); !known {
			versions := w.versions[string(bucket)]
			versions[string(e.Key)] = append(versions[string(e.Key)], newVersion(page, e))
		}
		return
	}
}

func (w *wreck) addState(text []byte) {
	s := &state{}
	switch {
	case json.Unmarshal(text, s) != nil || !s.complete():
	case w.state == nil || s.Sequence > w.state.Sequence:
		w.state, w.rivals = s, false
	case s.Sequence == w.state.Sequence && !reflect.DeepEqual(s, w.state):
		w.rivals = true
	}
}

func (w *wreck) addCandidate(f *pages.File, bucket string, b pages.Bucket) {
	if _, known := w.versions[bucket]; !known {
		return
	}
	c := set{}
	_ = f.Walk(b, func(e pages.Element) { // what cannot be read is missed by the sums
		if v, ok := w.find(bucket, e); ok {
			c[string(e.Key)] = v
		}
	})
	w.candidates[bucket] = append(w.candidates[bucket], c)
}

// find finds a record among the sound ones that were found.
func (w *wreck) find(bucket string, e pages.Element) (version, bool) {
	versions := w.versions[bucket][string(e.Key)]
	i := slices.IndexFunc(versions, func(v version) bool { return bytes.Equal(v.value, e.Value) })
	if i < 0 {
		return version{}, false
	}
	return versions[i], true
}

// choose finds the records of a bucket at the last change. complete tells that
// the store's sums say so.
func (w *wreck) choose(bucket string) (chosen set, complete bool) {
	chosen = set{}
	for _, c := range append(w.candidates[bucket], set{}) {
		if w.state != nil {
			if repaired, ok := w.repair(bucket, c); ok {
				return repaired, true
			}
		}
		if w.closer(bucket, c, chosen) {
			chosen = c
		}
	}
	return chosen, false
}

// closer tells whether one candidate is nearer than another to the number of
// records that there should be.
func (w *wreck) closer(bucket string, c, than set) bool {
	if w.state == nil {
		return len(c) > len(than)
	}
	want := w.state.Tallies[bucket].Count
	return distance(len(c), want) < distance(len(than), want)
}

func distance(a, b int) int { return max(a-b, b-a) }

// repair finds the change that makes the sums of a candidate right: none, all
// records that were found elsewhere in the file and have one version, those of
// one page, another version of one record, or one record less.
func (w *wreck) repair(bucket string, c set) (set, bool) {
	have, want := c.tally(), *w.state.Tallies[bucket]
	var single []version
	byPage := map[uint64][]version{}
	changes := [][]version{nil}
	for key, versions := range w.versions[bucket] {
		_, there := c[key]
		if !there && len(versions) == 1 {
			single = append(single, versions[0])
		}
		for _, v := range versions {
			if !there {
				byPage[v.page] = append(byPage[v.page], v)
			}
			changes = append(changes, []version{v})
		}
	}
	changes = append(changes, single)
	for _, records := range byPage {
		changes = append(changes, records)
	}
	for _, present := range c {
		changes = append(changes, []version{{key: present.key}})
	}
	for _, change := range changes {
		if c.tallyWith(have, change) == want {
			return c.with(change), true
		}
	}
	return nil, false
}

// tallyWith is the tally, from the present one, after a change. A version without
// a value stands for a deletion.
func (s set) tallyWith(t tally, change []version) tally {
	for _, v := range change {
		present := s[string(v.key)].sums // zero if there is none
		t.Count, t.Sum = t.Count+v.sums.Count-present.Count, t.Sum+v.sums.Sum-present.Sum
	}
	return t
}

func (s set) with(change []version) set {
	changed := maps.Clone(s)
	for _, v := range change {
		changed[string(v.key)] = v
		if v.value == nil {
			delete(changed, string(v.key))
		}
	}
	return changed
}

// mayFollow tells whether another version of a record may be the newer one. A
// guest's record has the time of its last change; the clock may have been set.
func mayFollow(bucket string, other, v version) bool {
	if bytes.Equal(other.value, v.value) {
		return false
	}
	if bucket != Instances {
		return true
	}
	return !lastUpdate(other).Before(lastUpdate(v))
}

func lastUpdate(v version) time.Time {
	var guest instance.Instance
	_ = json.Unmarshal(v.value[sealLength:], &guest) // it was verified
	return guest.LastUpdate
}
