package url

import (
	"slices"
	"strconv"
	"strings"

	"mdserver/stpl/internal/modules/collections"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// The results of urlparse and urlsplit, which has no params.
var (
	parseResult = collections.NewNamedTuple("ParseResult", "urllib.parse", []string{"scheme", "netloc", "path", "params", "query", "fragment"}, nil).Extend(resultType)
	splitResult = collections.NewNamedTuple("SplitResult", "urllib.parse", []string{"scheme", "netloc", "path", "query", "fragment"}, nil).Extend(resultType)
)

var resultType = object.NewType("_NetlocResultMixinStr", "urllib.parse", property).Extend(collections.NamedTuple).Define(
	native.Func("geturl", "", func(t *object.Thread, a []object.Value) (object.Value, error) {
		u, err := partsOf(t, a[0])
		if err != nil {
			return nil, err
		}
		return object.Str(u.String()), t.Alloc(len(u.path) + len(u.query) + 1024)
	}),
)

// parts is what a URL consists of, each part as it is written.
type parts struct{ scheme, netloc, path, params, query, fragment string }

// split divides a URL as urlsplit does; params stay in the path.
func split(s, scheme string, fragments bool) (parts, error) {
	s = strings.TrimLeft(s, controls)
	s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	u := parts{scheme: strings.Trim(scheme, controls)}
	if before, after, ok := strings.Cut(s, ":"); ok && before != "" && native.IsLetter(before[0]) && strings.Trim(before, schemeChars) == "" {
		u.scheme, s = strings.ToLower(before), after
	}
	if strings.HasPrefix(s, "//") {
		s = s[2:]
		end := strings.IndexAny(s, "/?#")
		if end < 0 {
			end = len(s)
		}
		u.netloc, s = s[:end], s[end:]
		if strings.Contains(u.netloc, "[") != strings.Contains(u.netloc, "]") {
			return u, object.Raise(object.ValueError, "Invalid IPv6 URL")
		}
	}
	if fragments {
		s, u.fragment, _ = strings.Cut(s, "#")
	}
	u.path, u.query, _ = strings.Cut(s, "?")
	return u, nil
}

const (
	controls = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "

	schemeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."
)

// The schemes whose URLs have params, are relative to others, or have a
// netloc, as urllib.parse lists them.
var (
	withParams   = strings.Fields("ftp hdl prospero http imap https shttp rtsp rtspu sip sips mms sftp tel")
	withRelative = strings.Fields("ftp http gopher nntp imap wais file https shttp mms prospero rtsp rtspu sftp svn svn+ssh ws wss")
	withNetloc   = strings.Fields("ftp http gopher nntp telnet imap wais file mms https shttp snews prospero rtsp rtspu rsync svn svn+ssh sftp nfs git git+ssh ws wss")
)

func uses(list []string, scheme string) bool { return scheme == "" || slices.Contains(list, scheme) }

// splitParams takes the params of the last segment out of the path.
func (u *parts) splitParams() {
	if !uses(withParams, u.scheme) {
		return
	}
	last := strings.LastIndexByte(u.path, '/') + 1
	if i := strings.IndexByte(u.path[last:], ';'); i >= 0 {
		u.path, u.params = u.path[:last+i], u.path[last+i+1:]
	}
}

// String puts a URL together as urlunparse does.
func (u *parts) String() string {
	s := u.path
	if u.params != "" {
		s += ";" + u.params
	}
	if u.netloc != "" || u.scheme != "" && slices.Contains(withNetloc, u.scheme) && !strings.HasPrefix(s, "//") {
		if s != "" && s[0] != '/' {
			s = "/" + s
		}
		s = "//" + u.netloc + s
	}
	if u.scheme != "" {
		s = u.scheme + ":" + s
	}
	if u.query != "" {
		s += "?" + u.query
	}
	if u.fragment != "" {
		s += "#" + u.fragment
	}
	return s
}

func parse(t *object.Thread, a []object.Value, class *object.Type) (object.Value, error) {
	s := object.Text(a[0])
	scheme, err := native.StrOr(a[1], "")
	if err != nil {
		return nil, err
	}
	if err := native.ChargeFor(t, 2*len(s)+512, 4*len(s)); err != nil {
		return nil, err
	}
	u, err := split(s, scheme, native.Truth(a[2], true))
	if err != nil {
		return nil, err
	}
	parts := []string{u.scheme, u.netloc, u.path, u.query, u.fragment}
	if class == parseResult {
		u.splitParams()
		parts = []string{u.scheme, u.netloc, u.path, u.params, u.query, u.fragment}
	}
	values := make([]object.Value, len(parts))
	for i, part := range parts {
		values[i] = object.Str(part)
	}
	return object.CallPos(t, class, values...)
}

// partsOf reads the five or six parts of a URL from a sequence.
func partsOf(t *object.Thread, v object.Value) (parts, error) {
	items, err := object.ToSlice(t, v)
	if err != nil {
		return parts{}, err
	}
	var u parts
	fields := []*string{&u.scheme, &u.netloc, &u.path, &u.query, &u.fragment}
	if len(items) == 6 {
		fields = slices.Insert(fields, 3, &u.params)
	}
	if len(items) != len(fields) {
		return u, object.Raise(object.ValueError, "a URL has 5 or 6 parts, not %d", len(items))
	}
	for i, item := range items {
		if *fields[i], err = native.Text(item); err != nil {
			return u, err
		}
		if err := native.Charge(t, 2*len(*fields[i])); err != nil {
			return u, err
		}
	}
	return u, nil
}

func unparse(t *object.Thread, a []object.Value) (object.Value, error) {
	u, err := partsOf(t, a[0])
	if err != nil {
		return nil, err
	}
	return object.Str(u.String()), nil
}

// property are the parts of a netloc.
func property(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	netloc := string(v.(object.TupleLike).Tuple()[1].(object.Str))
	at := strings.LastIndexByte(netloc, '@')
	user, password, hasPassword := strings.Cut(netloc[:max(at, 0)], ":")
	host, port := splitHost(netloc[at+1:])
	switch name {
	case "username", "password":
		if at < 0 || name == "password" && !hasPassword {
			return object.None, nil
		}
		if name == "username" {
			return object.Str(user), nil
		}
		return object.Str(password), nil
	case "hostname":
		if host == "" {
			return object.None, nil
		}
		name, zone, _ := strings.Cut(host, "%")
		return object.Str(strings.ToLower(name) + host[len(name):len(host)-len(zone)] + zone), nil
	case "port":
		return portOf(port)
	}
	return nil, nil
}

func splitHost(s string) (host, port string) {
	if _, bracketed, ok := strings.Cut(s, "["); ok {
		host, rest, _ := strings.Cut(bracketed, "]")
		_, port, _ := strings.Cut(rest, ":")
		return host, port
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port
}

func portOf(port string) (object.Value, error) {
	if port == "" {
		return object.None, nil
	}
	if strings.Trim(port, "0123456789") != "" {
		return nil, object.Raise(object.ValueError, "Port could not be cast to integer value as %s", native.Repr(object.Str(port)))
	}
	n, err := strconv.Atoi(port)
	if err != nil || n > 65535 {
		return nil, object.Raise(object.ValueError, "Port out of range 0-65535")
	}
	return object.Int(n), nil
}

// join is urljoin: RFC 3986, section 5.2.
func join(t *object.Thread, a []object.Value) (object.Value, error) {
	base := object.Text(a[0])
	ref := object.Text(a[1])
	if err := native.ChargeFor(t, 24*(len(base)+len(ref))+512, 8*(len(base)+len(ref))); err != nil {
		return nil, err
	}
	if base == "" || ref == "" {
		return object.Str(base + ref), nil
	}
	fragments := native.Truth(a[2], true)
	b, err := split(base, "", fragments)
	if err != nil {
		return nil, err
	}
	u, err := split(ref, b.scheme, fragments)
	if err != nil {
		return nil, err
	}
	b.splitParams()
	u.splitParams()
	if u.scheme != b.scheme || !uses(withRelative, u.scheme) {
		return object.Str(ref), nil
	}
	if uses(withNetloc, u.scheme) {
		if u.netloc != "" {
			return object.Str(u.String()), nil
		}
		u.netloc = b.netloc
	}
	if u.path == "" && u.params == "" {
		u.path, u.params = b.path, b.params
		if u.query == "" {
			u.query = b.query
		}
		return object.Str(u.String()), nil
	}
	u.path = joinPath(b.path, u.path)
	return object.Str(u.String()), nil
}

// joinPath resolves a path against that of a base, without dots.
func joinPath(base, path string) string {
	segments := strings.Split(path, "/")
	if !strings.HasPrefix(path, "/") {
		before := strings.Split(base, "/")
		if before[len(before)-1] != "" {
			before = before[:len(before)-1]
		}
		segments = append(before, segments...)
		for i := len(segments) - 2; i > 0; i-- {
			if segments[i] == "" {
				segments = slices.Delete(segments, i, i+1)
			}
		}
	}
	var out []string
	for _, s := range segments {
		switch {
		case s == ".." && len(out) > 0:
			out = out[:len(out)-1]
		case s != ".." && s != ".":
			out = append(out, s)
		}
	}
	if last := segments[len(segments)-1]; last == "." || last == ".." {
		out = append(out, "")
	}
	if joined := strings.Join(out, "/"); joined != "" {
		return joined
	}
	return "/"
}

// parseQuery is parse_qs with lists and parse_qsl without.
func parseQuery(t *object.Thread, a []object.Value, lists bool) (object.Value, error) {
	s := object.Text(a[0])
	if err := native.Charge(t, len(s)); err != nil {
		return nil, err
	}
	d, all := object.NewDict(), object.NewList(nil)
	for part := range strings.SplitSeq(s, "&") {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		name, value, hasValue := strings.Cut(part, "=")
		if !hasValue && part != "" && native.Truth(a[2], false) {
			return nil, object.Raise(object.ValueError, "bad query field: %s", native.Repr(object.Str(part)))
		}
		if part == "" || value == "" && !native.Truth(a[1], false) {
			continue
		}
		key, err := unquote(t, object.Str(name), true)
		if err != nil {
			return nil, err
		}
		v, err := unquote(t, object.Str(value), true)
		if err != nil {
			return nil, err
		}
		if !lists {
			if err := all.Append(t, object.Tuple{key, v}); err != nil {
				return nil, err
			}
			continue
		}
		list, ok, err := d.Get(t, key)
		if err != nil {
			return nil, err
		}
		if !ok {
			list = object.NewList(nil)
			if err := d.Set(t, key, list); err != nil {
				return nil, err
			}
		}
		if err := list.(*object.List).Append(t, v); err != nil {
			return nil, err
		}
	}
	if lists {
		return d, nil
	}
	return all, nil
}
