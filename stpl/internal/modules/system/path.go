package system

import (
	"path"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Path makes the module os.path.
func Path() native.Members {
	m := native.Members{
		"sep": object.Str("/"), "curdir": object.Str("."), "pardir": object.Str(".."), "extsep": object.Str("."),
		"pathsep": object.Str(":"), "altsep": object.None, "devnull": object.Str("/dev/null"),
	}
	for name, f := range map[string]func(string) object.Value{
		"basename": func(p string) object.Value { return object.Str(p[strings.LastIndexByte(p, '/')+1:]) },
		"dirname":  func(p string) object.Value { head, _ := splitPath(p); return object.Str(head) },
		"split": func(p string) object.Value {
			head, tail := splitPath(p)
			return object.Tuple{object.Str(head), object.Str(tail)}
		},
		"splitext": func(p string) object.Value {
			root, ext := splitExt(p)
			return object.Tuple{object.Str(root), object.Str(ext)}
		},
		"normpath": func(p string) object.Value { return object.Str(normPath(p)) },
		"isabs":    func(p string) object.Value { return object.Bool(strings.HasPrefix(p, "/")) },
	} {
		m[name] = native.Func(name, "p", func(t *object.Thread, a []object.Value) (object.Value, error) {
			p, err := pathArg(name, a[0])
			if err != nil {
				return nil, err
			}
			if err := native.Charge(t, 2*len(p)); err != nil {
				return nil, err
			}
			return f(p), nil
		})
	}
	// A template sees no file: as if none were there.
	for _, name := range []string{"exists", "lexists", "isfile", "isdir", "islink", "ismount"} {
		m[name] = native.Func(name, "path", func(*object.Thread, []object.Value) (object.Value, error) { return object.Bool(false), nil })
	}
	m["join"] = native.Func("join", "a *p", joinPath)
	native.Refuse(m, "os.path", "templates do not see the host's files", "abspath", "realpath", "expanduser", "expandvars",
		"getsize", "getmtime", "getatime", "getctime", "samefile")
	return m
}

func pathArg(function string, v object.Value) (string, error) {
	switch s := v.(type) {
	case object.Str:
		return string(s), nil
	case object.Bytes:
		return "", object.Raise(object.TypeError, "%s: paths are str in templates, not bytes", function)
	}
	return "", object.Raise(object.TypeError, "expected str, bytes or os.PathLike object, not %s", object.TypeName(v))
}

func splitPath(p string) (head, tail string) {
	i := strings.LastIndexByte(p, '/') + 1
	head, tail = p[:i], p[i:]
	if trimmed := strings.TrimRight(head, "/"); trimmed != "" {
		head = trimmed
	}
	return head, tail
}

func splitExt(p string) (root, ext string) {
	name := p[strings.LastIndexByte(p, '/')+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || strings.Trim(name[:dot], ".") == "" {
		return p, ""
	}
	at := len(p) - len(name) + dot
	return p[:at], p[at:]
}

// normPath keeps two leading slashes, as POSIX allows.
func normPath(p string) string {
	if p == "" {
		return "."
	}
	clean := path.Clean(p)
	if strings.HasPrefix(p, "//") && !strings.HasPrefix(p, "///") {
		return "/" + clean
	}
	return clean
}

func joinPath(t *object.Thread, a []object.Value) (object.Value, error) {
	joined, err := pathArg("join", a[0])
	if err != nil {
		return nil, err
	}
	for _, v := range a[1].(object.Tuple) {
		p, err := pathArg("join", v)
		if err != nil {
			return nil, err
		}
		if err := native.Charge(t, len(joined)+len(p)+1); err != nil {
			return nil, err
		}
		switch {
		case strings.HasPrefix(p, "/"):
			joined = p
		case joined == "" || strings.HasSuffix(joined, "/"):
			joined += p
		default:
			joined += "/" + p
		}
	}
	return object.Str(joined), nil
}
