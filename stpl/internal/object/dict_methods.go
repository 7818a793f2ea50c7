package object

func setupMappings() {
	DictType.Define(dictMethods()...)
	DictType.Static("fromkeys", NewBuiltin("fromkeys", "iterable value? /", func(t *Thread, a []Value) (Value, error) {
		d := NewDict()
		return d, Each(t, a[0], func(k Value) error { return d.Set(t, k, OrNone(a[1])) })
	}))
	for _, kind := range []viewKind{viewKeys, viewItems} {
		viewTypes[kind].Define(setTest("isdisjoint", disjoint))
	}
	SetType.Define(setMethods()...)
	SetType.Define(setMutators()...)
	FrozenSetType.Define(setMethods()...)
}

func dictMethods() []*Builtin {
	view := func(name string, kind viewKind) *Builtin {
		return Method(name, "/", func(t *Thread, d *Dict, a []Value) (Value, error) { return &dictView{d, kind}, nil })
	}
	return []*Builtin{
		view("keys", viewKeys), view("values", viewValues), view("items", viewItems),
		Method("get", "key default? /", func(t *Thread, d *Dict, a []Value) (Value, error) {
			v, ok, err := d.Get(t, a[0])
			if ok || err != nil {
				return v, err
			}
			return OrNone(a[1]), nil
		}),
		Method("setdefault", "key default? /", func(t *Thread, d *Dict, a []Value) (Value, error) {
			v, ok, err := d.Get(t, a[0])
			if ok || err != nil {
				return v, err
			}
			v = OrNone(a[1])
			return v, d.Set(t, a[0], v)
		}),
		Method("pop", "key default? /", func(t *Thread, d *Dict, a []Value) (Value, error) {
			v, ok, err := d.Delete(t, a[0])
			if ok || err != nil {
				return v, err
			}
			if a[1] == nil {
				return nil, RaiseValue(KeyError, a[0])
			}
			return a[1], nil
		}),
		Method("popitem", "/", func(t *Thread, d *Dict, a []Value) (Value, error) {
			for i := len(d.entries) - 1; i >= 0; i-- {
				if e := d.entries[i]; e.key != nil {
					d.deleteAt(i)
					return Tuple{e.key, e.value}, t.Work(16 * (len(d.entries) - i))
				}
			}
			return nil, RaiseValue(KeyError, Str("popitem(): dictionary is empty"))
		}),
		Method("clear", "/", func(t *Thread, d *Dict, a []Value) (Value, error) { d.Clear(); return None, nil }),
		Method("copy", "/", func(t *Thread, d *Dict, a []Value) (Value, error) { return d.Copy(t) }),
		Method("update", "other? / **kwargs", func(t *Thread, d *Dict, a []Value) (Value, error) {
			if a[0] != nil {
				if err := d.Update(t, a[0]); err != nil {
					return nil, err
				}
			}
			return None, d.Update(t, a[1])
		}),
	}
}

// setMethod makes a method that takes any number of iterables.
func setMethod(name string, f func(t *Thread, s *Set, others []*Set) (Value, error)) *Builtin {
	return NewBuiltin(name, "*others", func(t *Thread, a []Value) (Value, error) {
		var others []*Set
		for _, v := range a[1].(Tuple) {
			o, ok := v.(*Set)
			if !ok {
				var err error
				if o, err = toSet(t, v); err != nil {
					return nil, err
				}
			}
			others = append(others, o)
		}
		s, err := asSet(t, a[0])
		if err != nil {
			return nil, err
		}
		return f(t, s, others)
	})
}

func combiner(name string, op Op) *Builtin {
	return setMethod(name, func(t *Thread, s *Set, others []*Set) (Value, error) {
		r, err := s.copy(t)
		for _, o := range others {
			if err != nil {
				break
			}
			r, err = combine(t, op, r, o)
		}
		if err != nil {
			return nil, err
		}
		r.frozen = s.frozen
		return r, nil
	})
}

func setTest(name string, f func(t *Thread, s, o *Set) (bool, error)) *Builtin {
	return setMethod(name, func(t *Thread, s *Set, others []*Set) (Value, error) {
		if len(others) != 1 {
			return nil, Raise(TypeError, "%s() takes exactly one argument (%d given)", name, len(others))
		}
		ok, err := f(t, s, others[0])
		return Bool(ok), err
	})
}

func disjoint(t *Thread, s, o *Set) (bool, error) {
	r, err := combine(t, And, s, o)
	return err == nil && r.d.live == 0, err
}

func setMethods() []*Builtin {
	return []*Builtin{
		combiner("union", Or), combiner("intersection", And), combiner("difference", Sub), combiner("symmetric_difference", Xor),
		setTest("issubset", subset),
		setTest("issuperset", func(t *Thread, s, o *Set) (bool, error) { return subset(t, o, s) }),
		setTest("isdisjoint", disjoint),
		Method("copy", "/", func(t *Thread, s *Set, _ []Value) (Value, error) { return s.copy(t) }),
	}
}

func updater(name string, op Op) *Builtin {
	return setMethod(name, func(t *Thread, s *Set, others []*Set) (Value, error) {
		for _, o := range others {
			r, err := combine(t, op, s, o)
			if err != nil {
				return nil, err
			}
			s.d = r.d
		}
		return None, nil
	})
}

func setMutators() []*Builtin {
	return []*Builtin{
		updater("update", Or), updater("intersection_update", And), updater("difference_update", Sub),
		updater("symmetric_difference_update", Xor),
		Method("add", "elem /", func(t *Thread, s *Set, a []Value) (Value, error) { return None, s.Add(t, a[0]) }),
		Method("discard", "elem /", func(t *Thread, s *Set, a []Value) (Value, error) {
			_, _, err := s.d.Delete(t, a[0])
			return None, err
		}),
		Method("remove", "elem /", func(t *Thread, s *Set, a []Value) (Value, error) {
			_, ok, err := s.d.Delete(t, a[0])
			if err == nil && !ok {
				err = RaiseValue(KeyError, a[0])
			}
			return None, err
		}),
		Method("pop", "/", func(t *Thread, s *Set, a []Value) (Value, error) {
			for i, e := range s.d.entries {
				if e.key != nil {
					s.d.deleteAt(i)
					return e.key, t.Work(16 * i)
				}
			}
			return nil, RaiseValue(KeyError, Str("pop from an empty set"))
		}),
		Method("clear", "/", func(t *Thread, s *Set, a []Value) (Value, error) { s.d.Clear(); return None, nil }),
	}
}
