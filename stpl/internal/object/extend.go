package object

// Composed is a value of another package whose repr is put together of texts
// and of the reprs of other values.
type Composed interface {
	Value
	// ReprParts returns strings, written as they are, and Values.
	ReprParts(t *Thread) ([]any, error)
}

// TupleLike is a value of another package that compares and hashes as a tuple.
type TupleLike interface {
	Value
	Tuple() Tuple
}

// asTuple returns the tuple that v is or stands for.
func asTuple(v Value) (Tuple, bool) {
	switch v := v.(type) {
	case Tuple:
		return v, true
	case TupleLike:
		return v.Tuple(), true
	}
	return nil, false
}

// Subclass is what a subclass of dict adds to it. Its functions may be nil.
type Subclass struct {
	Class *Type
	// Missing is the value of a key that the dict does not have.
	Missing func(t *Thread, d *Dict, key Value) (Value, error)
	// ReprParts are as those of Composed.
	ReprParts func(t *Thread, d *Dict) ([]any, error)
	// Binary is an operator between two dicts, the first of this class. It
	// returns nil, nil for an operator that it does not have.
	Binary func(t *Thread, op Op, a, b *Dict) (Value, error)
	// Default makes values for missing keys, for a defaultdict.
	Default Value
}

// NewDictOfClass makes an empty dict of a subclass of dict.
func NewDictOfClass(sub *Subclass) *Dict { return &Dict{sub: sub} }

// Subclass returns what makes d more than a dict, nil if nothing does.
func (d *Dict) Subclass() *Subclass { return d.sub }

func (d *Dict) missing(t *Thread, key Value) (Value, error) {
	if d.sub == nil || d.sub.Missing == nil {
		return nil, RaiseValue(KeyError, key)
	}
	return d.sub.Missing(t, d, key)
}

// dictOperator is an operator of a subclass of dict; nil, nil if there is none.
func dictOperator(t *Thread, op Op, a, b Value) (Value, error) {
	x, ok := a.(*Dict)
	if !ok || x.sub == nil || x.sub.Binary == nil {
		return nil, nil
	}
	y, ok := b.(*Dict)
	if !ok {
		return nil, nil
	}
	return x.sub.Binary(t, op, x, y)
}

// composed writes the repr of a Composed value or of a subclass of dict.
func (p *printer) composed(parts []any, err error) {
	if p.err = err; err != nil {
		return
	}
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			_ = p.Write(part)
		case Value:
			p.repr(part)
		}
	}
}
