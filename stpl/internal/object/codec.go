package object

import "mdserver/stpl/internal/codec"

// Encode is str.encode.
func Encode(t *Thread, s, name, errors string) (Value, error) {
	c, err := codec.Find(name)
	if err == nil {
		err = t.Charge(c.Size(len(s)), len(s))
	}
	if err == nil {
		s, err = c.Encode(s, errors)
	}
	return Bytes(s), codecError(err, UnicodeEncodeError)
}

// Decode is bytes.decode.
func Decode(t *Thread, b, name, errors string) (Value, error) {
	c, err := codec.Find(name)
	if err == nil {
		err = t.Charge(4*len(b), len(b))
	}
	if err == nil {
		b, err = c.Decode(b, errors)
	}
	return Str(b), codecError(err, UnicodeDecodeError)
}

// DecodeUTF8 decodes bytes as UTF-8.
func DecodeUTF8(t *Thread, b Bytes) (string, error) {
	v, err := Decode(t, string(b), "utf-8", "strict")
	s, _ := v.(Str)
	return string(s), err
}

// codecError makes an exception of an error of package codec.
func codecError(err error, kind *Type) error {
	switch err.(type) {
	case nil, *Exception:
		return err
	case codec.UnknownError:
		kind = LookupError
	}
	return RaiseValue(kind, Str(err.Error()))
}
