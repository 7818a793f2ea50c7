package object

import "slices"

// Op is a binary operator.
type Op uint8

// The binary operators.
const (
	Add Op = iota
	Sub
	Mul
	Div
	FloorDiv
	Mod
	Pow
	LShift
	RShift
	And
	Or
	Xor
	MatMul
)

var opText = [...]string{"+", "-", "*", "/", "//", "%", "** or pow()", "<<", ">>", "&", "|", "^", "@"}

// String returns the operator as Python writes it in messages.
func (op Op) String() string { return opText[op] }

// Operand is a value of another package with operators of its own. Binary
// returns nil, nil for an operation it does not have; reflected says that the
// receiver stands on the right.
type Operand interface {
	Value
	Binary(t *Thread, op Op, other Value, reflected bool) (Value, error)
}

// Binary computes a op b.
func Binary(t *Thread, op Op, a, b Value) (Value, error) {
	v, err := binary(t, op, a, b)
	if v == nil && err == nil {
		return nil, unsupported(op.String(), a, b)
	}
	return v, err
}

// binary returns nil, nil if the operator does not apply.
func binary(t *Thread, op Op, a, b Value) (Value, error) {
	if x, ok := a.(Int); ok {
		if y, ok := b.(Int); ok && op <= Mul {
			if v, ok := intArith(op, x, y); ok {
				return v, nil
			}
		}
	}
	if isNumber(a) && isNumber(b) && op != MatMul {
		if f := isFloat(a) || isFloat(b); !f || op <= Pow {
			return numeric(t, op, a, b)
		}
	}
	return binaryOther(t, op, a, b)
}

func isFloat(v Value) bool { _, ok := v.(Float); return ok }

func unsupported(op string, a, b Value) error {
	return Raise(TypeError, "unsupported operand type(s) for %s: '%s' and '%s'", op, TypeName(a), TypeName(b))
}

func binaryOther(t *Thread, op Op, a, b Value) (Value, error) {
	if x, ok := a.(Operand); ok {
		if v, err := x.Binary(t, op, b, false); v != nil || err != nil {
			return v, err
		}
	}
	if y, ok := b.(Operand); ok {
		if v, err := y.Binary(t, op, a, true); v != nil || err != nil {
			return v, err
		}
	}
	if v, err := dictOperator(t, op, a, b); v != nil || err != nil {
		return v, err
	}
	switch op {
	case Add:
		return concat(t, a, b)
	case Mul:
		return repeatEither(t, a, b)
	case Mod:
		switch a := a.(type) {
		case Str:
			return NewStr(percentFormat(t, string(a), b, false))
		case Bytes:
			s, err := percentFormat(t, string(a), b, true)
			return Bytes(s), err
		}
	case Or, And, Sub, Xor:
		return setOperator(t, op, a, b)
	}
	return nil, nil
}

func concat(t *Thread, a, b Value) (Value, error) {
	switch a := a.(type) {
	case Str:
		if b, ok := b.(Str); ok {
			return NewStr(t.appended(string(a), string(b)))
		}
		return nil, Raise(TypeError, `can only concatenate str (not "%s") to str`, TypeName(b))
	case Bytes:
		if b, ok := b.(Bytes); ok {
			if err := t.Alloc(len(a) + len(b)); err != nil {
				return nil, err
			}
			return a + b, nil
		}
		return nil, Raise(TypeError, "can't concat %s to bytes", TypeName(b))
	case *List:
		if b, ok := b.(*List); ok {
			items, err := joined(t, a.items, b.items)
			return NewList(items), err
		}
		return nil, Raise(TypeError, `can only concatenate list (not "%s") to list`, TypeName(b))
	case Tuple:
		if b, ok := b.(Tuple); ok {
			items, err := joined(t, a, b)
			return Tuple(items), err
		}
		return nil, Raise(TypeError, `can only concatenate tuple (not "%s") to tuple`, TypeName(b))
	}
	return nil, nil
}

func joined(t *Thread, a, b []Value) ([]Value, error) {
	if err := t.ChargeSlots(len(a) + len(b)); err != nil {
		return nil, err
	}
	return slices.Concat(a, b), nil
}

func repeatEither(t *Thread, a, b Value) (Value, error) {
	if isInt(b) {
		return repeat(t, a, b)
	}
	if isInt(a) {
		return repeat(t, b, a)
	}
	if isSequence(a) {
		return nil, Raise(TypeError, "can't multiply sequence by non-int of type '%s'", TypeName(b))
	}
	if isSequence(b) {
		return nil, Raise(TypeError, "can't multiply sequence by non-int of type '%s'", TypeName(a))
	}
	return nil, nil
}

func isSequence(v Value) bool {
	switch v.(type) {
	case Str, Bytes, *List, Tuple:
		return true
	}
	return false
}

// InPlace computes a op= b: lists, dicts and sets change in place.
func InPlace(t *Thread, op Op, a, b Value) (Value, error) {
	switch x := a.(type) {
	case *List:
		switch op {
		case Add:
			return x, x.Extend(t, b)
		case Mul:
			if isInt(b) {
				v, err := repeat(t, x, b)
				if err != nil {
					return nil, err
				}
				x.items = v.(*List).items
				return x, nil
			}
		}
	case *Dict:
		if op == Or && (x.sub == nil || x.sub.Binary == nil) {
			return x, x.Update(t, b)
		}
	case *Set:
		if v, err := setInPlace(t, op, x, b); v != nil || err != nil {
			return v, err
		}
	}
	v, err := binary(t, op, a, b)
	if v == nil && err == nil {
		text := op.String()
		if op == Pow {
			text = "**"
		}
		return nil, unsupported(text+"=", a, b)
	}
	return v, err
}

// Unary computes -v, +v or ~v; op is Sub, Add or Xor.
func Unary(t *Thread, op Op, v Value) (Value, error) {
	switch x := v.(type) {
	case Float:
		switch op {
		case Sub:
			return -x, nil
		case Add:
			return x, nil
		}
	case Bool, Int, *Big:
		switch op {
		case Add:
			return Binary(t, Add, x, Int(0))
		case Sub:
			return Binary(t, Sub, Int(0), x)
		}
		return Binary(t, Sub, Int(-1), x)
	case Operand:
		if r, err := x.Binary(t, op, nil, false); r != nil || err != nil {
			return r, err
		}
	}
	sign := map[Op]string{Sub: "-", Add: "+", Xor: "~"}[op]
	return nil, Raise(TypeError, "bad operand type for unary %s: '%s'", sign, TypeName(v))
}
