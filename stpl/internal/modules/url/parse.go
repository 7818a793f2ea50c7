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

// fields are the parts in their order, with params or without.
func (u *parts) fields(params bool) []*string {
	if params {
		return []*string{&u.scheme, &u.netloc, &u.path, &u.params, &u.query, &u.fragment}
	}
	return []*string{&u.scheme, &u.netloc, &u.path, &u.query, &u.fragment}
}

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

// The schemes whose URLs have params or a netloc, as urllib.parse lists them.
var (
	withParams = strings.Fields("ftp hdl prospero http imap https shttp rtsp rtspu sip sips mms sftp tel")
	withNetloc = strings.Fields("ftp http gopher nntp telnet imap wais file mms https shttp snews prospero rtsp rtspu rsync svn svn+ssh sftp nfs git git+ssh ws wss")
)

// splitParams takes the params of the last segment out of the path.
func (u *parts) splitParams() {
	if u.scheme != "" && !slices.Contains(withParams, u.scheme) {
		return
	}
	last := strings.LastIndexByte(u.path, '/') + 1
	if i := strings.IndexByte(u.path[last:], ';'); i >= 0 {
		u.path, u.params = u.path[:last+i], u.path[last+i+1:]
	}
}

// String puts a URL together as geturl does.
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

// parser makes urlparse and urlsplit.
func parser(class *object.Type) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := object.Text(a[0])
		if err := t.Charge(2*len(s)+512, 4*len(s)); err != nil {
			return nil, err
		}
		u, err := split(s, object.Text(a[1]), native.Truth(a[2], true))
		if err != nil {
			return nil, err
		}
		if class == parseResult {
			u.splitParams()
		}
		var values []object.Value
		for _, part := range u.fields(class == parseResult) {
			values = append(values, object.Str(*part))
		}
		return object.CallPos(t, class, values...)
	}
}

// partsOf reads the five or six parts of a URL from a sequence.
func partsOf(t *object.Thread, v object.Value) (parts, error) {
	items, err := object.ToSlice(t, v)
	if err != nil {
		return parts{}, err
	}
	var u parts
	fields := u.fields(len(items) == 6)
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
		return nil, object.Raise(object.ValueError, "Port could not be cast to integer value as %s", object.PlainRepr(object.Str(port)))
	}
	n, err := strconv.Atoi(port)
	if err != nil || n > 65535 {
		return nil, object.Raise(object.ValueError, "Port out of range 0-65535")
	}
	return object.Int(n), nil
}
