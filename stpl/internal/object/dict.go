package object

import "slices"

// smallDict is the largest size of a dict that is searched without an index.
const smallDict = 8

type entry struct {
	hash  any
	key   Value // nil: deleted
	value Value
}

// Dict keeps insertion order and compares keys as Python does: 1, 1.0 and
// True are one key.
type Dict struct {
	entries []entry
	index   map[any]int // nil while small
	live    int
	record  bool // keys are attributes, too
	sub     *Subclass
}

// NewRecord makes d's keys attributes, too. Methods of dict come first.
func NewRecord(d *Dict) *Dict {
	d.record = true
	return d
}

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{} }

// NewDictOf makes an empty dict with room for n keys.
func NewDictOf(n int) *Dict { return &Dict{entries: make([]entry, 0, n)} }

// Class returns the value's type.
func (d *Dict) Class() *Type {
	if d.sub != nil {
		return d.sub.Class
	}
	return DictType
}

func (d *Dict) find(h any) int {
	if d.index != nil {
		if i, ok := d.index[h]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].key != nil && d.entries[i].hash == h {
			return i
		}
	}
	return -1
}

// Len returns the number of keys.
func (d *Dict) Len() int { return d.live }

// Get looks a key up.
func (d *Dict) Get(t *Thread, key Value) (Value, bool, error) {
	h, err := hashKey(t, key)
	if err != nil {
		return nil, false, err
	}
	if i := d.find(h); i >= 0 {
		return d.entries[i].value, true, nil
	}
	return nil, false, nil
}

// GetStr looks up a string key.
func (d *Dict) GetStr(key string) (Value, bool) {
	if i := d.find(Str(key)); i >= 0 {
		return d.entries[i].value, true
	}
	return nil, false
}

// Set stores a value under a key.
func (d *Dict) Set(t *Thread, key, value Value) error {
	h, err := hashKey(t, key)
	if err != nil {
		return err
	}
	if i := d.find(h); i >= 0 {
		d.entries[i].value = value
		return nil
	}
	if err := t.AllocSlots(4); err != nil {
		return err
	}
	d.add(h, key, value)
	return nil
}

// SetStr stores a value under a string key without charging for it.
func (d *Dict) SetStr(key string, value Value) {
	var k Value = Str(key)
	if i := d.find(k); i >= 0 {
		d.entries[i].value = value
		return
	}
	d.add(k, k, value)
}

func (d *Dict) add(h any, key, value Value) {
	d.entries = append(d.entries, entry{h, key, value})
	d.live++
	if d.index != nil {
		d.index[h] = len(d.entries) - 1
	} else if len(d.entries) > smallDict {
		d.reindex()
	}
}

func (d *Dict) reindex() {
	d.index = make(map[any]int, len(d.entries))
	for i := range d.entries {
		if d.entries[i].key != nil {
			d.index[d.entries[i].hash] = i
		}
	}
}

// Delete removes a key and returns its value.
func (d *Dict) Delete(t *Thread, key Value) (Value, bool, error) {
	h, err := hashKey(t, key)
	if err != nil {
		return nil, false, err
	}
	i := d.find(h)
	if i < 0 {
		return nil, false, nil
	}
	return d.deleteAt(i), true, nil
}

func (d *Dict) deleteAt(i int) Value {
	v := d.entries[i].value
	if d.index != nil {
		delete(d.index, d.entries[i].hash)
	}
	d.entries[i] = entry{}
	d.live--
	switch {
	case i == len(d.entries)-1:
		d.entries = d.entries[:i]
	case len(d.entries) > 16 && d.live < len(d.entries)/2:
		d.compact()
	}
	return v
}

func (d *Dict) compact() {
	d.entries = slices.Collect(d.present)
	d.reindex()
}

// Clear removes all keys.
func (d *Dict) Clear() { *d = Dict{record: d.record, sub: d.sub} }

// present yields the entries that were not deleted, in order. The dict may change
// meanwhile.
func (d *Dict) present(yield func(entry) bool) {
	for i := 0; i < len(d.entries); i++ {
		if e := d.entries[i]; e.key != nil && !yield(e) {
			return
		}
	}
}

// All yields every key in order with its value.
func (d *Dict) All(yield func(key, value Value) bool) {
	d.present(func(e entry) bool { return yield(e.key, e.value) })
}

// Keys returns the keys in order.
func (d *Dict) Keys() []Value {
	out := make([]Value, 0, d.live)
	for key := range d.All {
		out = append(out, key)
	}
	return out
}

// Copy returns a shallow copy.
func (d *Dict) Copy(t *Thread) (*Dict, error) {
	if err := t.AllocSlots(4 * d.live); err != nil {
		return nil, err
	}
	c := &Dict{entries: make([]entry, 0, d.live), live: d.live, sub: d.sub}
	c.entries = slices.AppendSeq(c.entries, d.present)
	if len(c.entries) > smallDict {
		c.reindex()
	}
	return c, nil
}

// IsMapping reports whether v can be unpacked with **.
func IsMapping(v Value) bool {
	_, ok := v.(*Dict)
	return ok
}

// Update stores every pair of a mapping or of an iterable of pairs.
func (d *Dict) Update(t *Thread, from Value) error {
	if src, ok := from.(*Dict); ok {
		for e := range src.present {
			if err := t.Step(1); err != nil {
				return err
			}
			if err := d.Set(t, e.key, e.value); err != nil {
				return err
			}
		}
		return nil
	}
	n := 0
	return Each(t, from, func(item Value) error {
		pair, err := ToSlice(t, item)
		if err != nil {
			return Raise(TypeError, "cannot convert dictionary update sequence element #%d to a sequence", n)
		}
		if len(pair) != 2 {
			return Raise(ValueError, "dictionary update sequence element #%d has length %d; 2 is required", n, len(pair))
		}
		n++
		return d.Set(t, pair[0], pair[1])
	})
}

func (d *Dict) equal(t *Thread, other *Dict) (bool, error) {
	if d.live != other.live {
		return false, nil
	}
	if err := t.Enter(); err != nil {
		return false, err
	}
	defer t.Leave()
	for e := range d.present {
		if err := t.Step(1); err != nil {
			return false, err
		}
		j := other.find(e.hash)
		if j < 0 {
			return false, nil
		}
		if ok, err := same(t, e.value, other.entries[j].value); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
