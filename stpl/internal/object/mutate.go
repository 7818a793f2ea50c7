package object

// SetIndex does v[key] = value.
func SetIndex(t *Thread, v, key, value Value) error {
	switch v := v.(type) {
	case *Dict:
		return v.Set(t, key, value)
	case *List:
		if s, ok := key.(*Slice); ok {
			return v.setSlice(t, s, value)
		}
		i, err := position(v, key, len(v.items), "list assignment index out of range")
		if err != nil {
			return err
		}
		v.items[i] = value
		return nil
	}
	return Raise(TypeError, "'%s' object does not support item assignment", TypeName(v))
}

// DeleteIndex does del v[key].
func DeleteIndex(t *Thread, v, key Value) error {
	switch v := v.(type) {
	case *Dict:
		_, ok, err := v.Delete(t, key)
		if err == nil && !ok {
			return RaiseValue(KeyError, key)
		}
		return err
	case *List:
		if s, ok := key.(*Slice); ok {
			return v.deleteSlice(t, s)
		}
		i, err := position(v, key, len(v.items), "list assignment index out of range")
		if err != nil {
			return err
		}
		v.removeAt(i)
		return t.Work(len(v.items))
	}
	return Raise(TypeError, "'%s' object doesn't support item deletion", TypeName(v))
}

func (l *List) removeAt(i int) {
	copy(l.items[i:], l.items[i+1:])
	l.items[len(l.items)-1] = nil
	l.items = l.items[:len(l.items)-1]
}

// Append adds one element.
func (l *List) Append(t *Thread, v Value) error {
	if err := t.AllocSlots(1); err != nil {
		return err
	}
	l.items = append(l.items, v)
	return nil
}

// Extend adds the items of an iterable.
func (l *List) Extend(t *Thread, v Value) error {
	switch v.(type) {
	case *List, Tuple:
		items, err := ToSlice(t, v)
		if err == nil {
			err = t.AllocSlots(len(items))
		}
		if err != nil {
			return err
		}
		l.items = append(l.items, items...)
		return nil
	}
	return Each(t, v, func(item Value) error { return l.Append(t, item) })
}

func (l *List) insert(t *Thread, i int, v Value) error {
	if err := l.Append(t, v); err != nil {
		return err
	}
	if err := t.Work(len(l.items)); err != nil {
		return err
	}
	if i < 0 {
		i = max(0, i+len(l.items)-1)
	}
	i = min(i, len(l.items)-1)
	copy(l.items[i+1:], l.items[i:])
	l.items[i] = v
	return nil
}

func (l *List) setSlice(t *Thread, s *Slice, value Value) error {
	items, err := ToSlice(t, value)
	if err != nil {
		if e, ok := err.(*Exception); ok && e.Kind == TypeError {
			return Raise(TypeError, "can only assign an iterable")
		}
		return err
	}
	start, stop, step, err := s.Bounds(len(l.items))
	if err != nil {
		return err
	}
	if step == 1 {
		return l.splice(t, start, max(start, stop), items)
	}
	n := sliceCount(start, stop, step)
	if n != len(items) {
		return Raise(ValueError, "attempt to assign sequence of size %d to extended slice of size %d", len(items), n)
	}
	for i, v := range items {
		l.items[start+i*step] = v
	}
	return nil
}

func (l *List) splice(t *Thread, start, stop int, items []Value) error {
	n := len(l.items) - (stop - start) + len(items)
	if err := t.ChargeSlots(n); err != nil {
		return err
	}
	out := make([]Value, 0, n)
	out = append(append(out, l.items[:start]...), items...)
	l.items = append(out, l.items[stop:]...)
	return nil
}

func (l *List) deleteSlice(t *Thread, s *Slice) error {
	start, stop, step, err := s.Bounds(len(l.items))
	if err != nil {
		return err
	}
	if err := t.Work(len(l.items)); err != nil {
		return err
	}
	n := sliceCount(start, stop, step)
	if step < 0 && n > 0 {
		start, step = start+(n-1)*step, -step
	}
	kept := l.items[:0]
	next := start
	for i, v := range l.items {
		if n > 0 && i == next {
			n, next = n-1, next+step
			continue
		}
		kept = append(kept, v)
	}
	clear(l.items[len(kept):])
	l.items = kept
	return nil
}
