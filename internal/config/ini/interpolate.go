package ini

import (
	"errors"
	"strings"
)

const (
	// maxDepth is how deep references may nest; the number is configparser's.
	maxDepth = 10
	// maxValue bounds a resolved value, in bytes: ten levels of references
	// could otherwise grow one without end.
	maxValue = 1 << 20
)

var (
	errDepth = errors.New("references nest too deeply, or in a circle")
	errUnset = errors.New("refers to a key that is not set")
	errSize  = errors.New("the value is longer than 1 MiB once its references are resolved")
)

// interpolate replaces "%%" by "%" and "%(key)s" by that key's value. Any other
// "%" stands for itself.
func interpolate(value string, values map[string]string) (string, error) {
	if !strings.Contains(value, "%") {
		return value, nil
	}
	r := resolver{values: values}
	if err := r.expand(value, 1); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

type resolver struct {
	values map[string]string
	out    strings.Builder
	work   int // bytes read so far, so that references to nothing cost too
}

func (r *resolver) expand(rest string, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	r.work += len(rest)
	for rest != "" {
		if r.work > maxValue || r.out.Len() > maxValue {
			return errSize
		}
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			r.out.WriteString(rest)
			return nil
		}
		r.out.WriteString(rest[:i])
		rest = rest[i:]
		if strings.HasPrefix(rest, "%%") {
			r.out.WriteByte('%')
			rest = rest[2:]
			continue
		}
		name, length := reference(rest)
		if length == 0 {
			r.out.WriteByte('%')
			rest = rest[1:]
			continue
		}
		rest = rest[length:]
		value, ok := r.values[strings.ToLower(name)]
		if !ok {
			return errUnset
		}
		if !strings.Contains(value, "%") {
			r.work += len(value)
			r.out.WriteString(value)
			continue
		}
		if err := r.expand(value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// reference recognises "%(name)s" at the start of text and returns the name and
// the reference's length, 0 if there is none.
func reference(text string) (name string, length int) {
	if !strings.HasPrefix(text, "%(") {
		return "", 0
	}
	end := strings.IndexByte(text, ')')
	if end < 3 || !strings.HasPrefix(text[end:], ")s") {
		return "", 0
	}
	return text[2:end], end + 2
}
