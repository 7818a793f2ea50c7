package object

import (
	"errors"
	"strings"
	"testing"
)

// uncomparable is a value of another package that Go cannot compare.
type uncomparable struct{ _ []int }

func (uncomparable) Class() *Type { return ObjectType }

func TestKeysThatAreEqualInPython(t *testing.T) {
	thread := newTestThread(t, roomy)
	big, _ := Binary(thread, Pow, Int(2), Int(70))
	frozen := func(items ...Value) Value {
		s, err := toSet(thread, Tuple(items))
		if err != nil {
			t.Fatal(err)
		}
		s.frozen = true
		return s
	}
	tests := []struct {
		name string
		a, b Value
		same bool
	}{
		{"an int and a bool", Int(1), Bool(true), true},
		{"an int and a float", Int(2), Float(2), true},
		{"a big int and a float", big, Float(1 << 70), true},
		{"text and bytes", Str("a"), Bytes("a"), false},
		{"an int and its text", Int(1), Str("1"), false},
		{"tuples of equal items", Tuple{Int(1), Str("a")}, Tuple{Float(1), Str("a")}, true},
		{"tuples that only join to the same", Tuple{Str("ab"), Str("c")}, Tuple{Str("a"), Str("bc")}, false},
		{"a tuple within a tuple", Tuple{Tuple{Int(1)}}, Tuple{Int(1)}, false},
		{"frozensets in another order", frozen(Int(1), Str("a")), frozen(Str("a"), Int(1)), true},
		{"frozensets with another item", frozen(Int(1)), frozen(Int(2)), false},
		{"None and Ellipsis", None, Ellipsis, false},
		{"a function", StrType, StrType, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDict()
			for _, k := range []Value{tt.a, tt.b} {
				if err := d.Set(thread, k, k); err != nil {
					t.Fatal(err)
				}
			}
			if (d.Len() == 1) != tt.same {
				t.Errorf("%d keys", d.Len())
			}
		})
	}
}

func TestWhatCannotBeAKey(t *testing.T) {
	thread := newTestThread(t, roomy)
	for _, key := range []Value{NewList(nil), NewDict(), NewSet(), Tuple{NewList(nil)}, uncomparable{}} {
		if err := NewDict().Set(thread, key, None); err == nil || !strings.Contains(err.Error(), "unhashable type") {
			t.Errorf("%T as a key: %v", key, err)
		}
	}
}

// A message is made with a budget of its own, whatever value it tells of.
func TestMessagesOfLargeValues(t *testing.T) {
	thread := newTestThread(t, roomy)
	many := make(Tuple, 1_000_000)
	for i := range many {
		many[i] = Int(1)
	}
	deep := Value(NewList(nil))
	for range 10_000 {
		deep = NewList([]Value{deep})
	}
	for name, v := range map[string]Value{"a long tuple": many, "a deep list": deep, "a long text": Str(strings.Repeat("x", 1<<20))} {
		err := RaiseValue(KeyError, v)
		if text := err.Error(); len(text) > 1<<17 {
			t.Errorf("%s gave a message of %d bytes", name, len(text))
		}
	}
	_, err := parseInt(thread, strings.Repeat("x", 1<<20), 10)
	if err == nil || len(err.Error()) > 1<<17 {
		t.Errorf("int(): a message of %d bytes", len(err.Error()))
	}
}

func TestTheInnermostFrameIsKept(t *testing.T) {
	err := At(At(Raise(ValueError, "x"), "inner", 3), "outer", 9)
	var e *Exception
	if !errors.As(err, &e) || e.File != "inner" || e.Line != 3 {
		t.Errorf("%#v", e)
	}
}
