// Package modules is the part of Python's standard library that templates can
// import: what computes, and nothing that reaches files, processes, the
// network or another render.
//
// Modules are built once and never change. What a render changes, as the state
// of random, is kept in its [object.Thread]. Results are those of Python 3.11.
package modules

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"mdserver/stpl/internal/modules/binary"
	"mdserver/stpl/internal/modules/collections"
	"mdserver/stpl/internal/modules/crypto"
	"mdserver/stpl/internal/modules/datetime"
	"mdserver/stpl/internal/modules/functional"
	"mdserver/stpl/internal/modules/ipaddress"
	"mdserver/stpl/internal/modules/json"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/modules/numeric"
	"mdserver/stpl/internal/modules/re"
	"mdserver/stpl/internal/modules/system"
	"mdserver/stpl/internal/modules/text"
	"mdserver/stpl/internal/modules/url"
	"mdserver/stpl/internal/modules/uuid"
	"mdserver/stpl/internal/modules/yaml"
	"mdserver/stpl/internal/object"
)

// all builds every module.
var all = sync.OnceValue(func() map[string]*object.Module {
	m := map[string]*object.Module{}
	for name, build := range map[string]func() native.Members{
		"base64":       binary.Base64,
		"collections":  collections.Module,
		"copy":         collections.Copy,
		"crypt":        crypto.Crypt,
		"datetime":     datetime.Module,
		"functools":    functional.Functools,
		"gzip":         binary.Gzip,
		"hashlib":      crypto.Hashlib,
		"hmac":         crypto.HMAC,
		"html":         text.HTML,
		"ipaddress":    ipaddress.Module,
		"itertools":    functional.Itertools,
		"json":         json.Module,
		"math":         numeric.Math,
		"operator":     functional.Operator,
		"os":           system.OS,
		"os.path":      system.Path,
		"random":       numeric.Random,
		"re":           re.Module,
		"secrets":      crypto.Secrets,
		"shlex":        text.Shlex,
		"string":       text.String,
		"struct":       binary.Struct,
		"sys":          system.Sys,
		"textwrap":     text.Textwrap,
		"time":         datetime.Time,
		"urllib":       url.Module,
		"urllib.parse": url.Parse,
		"uuid":         uuid.Module,
		"yaml":         yaml.Module,
		"zlib":         binary.Zlib,
	} {
		m[name] = object.NewModule(name, build())
	}
	return m
})

// Import returns a module by its dotted name. The error of an unknown one is a
// ModuleNotFoundError that lists what there is.
func Import(t *object.Thread, name string) (*object.Module, error) {
	if err := t.Step(1); err != nil {
		return nil, err
	}
	if m := all()[name]; m != nil {
		return m, nil
	}
	return nil, object.Raise(object.ModuleNotFoundError, "No module named '%s' (templates can import %s)", name, strings.Join(Names(), ", "))
}

// Names lists the modules that can be imported, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all())) }

// Known reports whether a module can be imported.
func Known(name string) bool { return all()[name] != nil }

// Has reports whether a module has a member that templates may use.
func Has(module, member string) bool {
	m := all()[module]
	return m != nil && usable(m.Member(member)) != nil
}

// Find returns the module of a dotted name, or the member of a module that
// templates may use; nil if there is neither.
func Find(name string) object.Value {
	if m := all()[name]; m != nil {
		return m
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || all()[name[:dot]] == nil {
		return nil
	}
	return usable(all()[name[:dot]].Member(name[dot+1:]))
}

// Member returns what templates may use of a module by a name: a member or a
// module within it; nil if there is no such thing.
func Member(m *object.Module, name string) object.Value {
	if v := usable(m.Member(name)); v != nil {
		return v
	}
	return Find(m.Name + "." + name)
}

// Reason tells why templates do not have a member that Python has, for the end
// of a message; empty if there is no such member.
func Reason(m *object.Module, name string) string {
	if r, ok := m.Member(name).(*native.Refused); ok {
		return ": " + r.Reason
	}
	return ""
}

func usable(v object.Value) object.Value {
	if _, no := v.(*native.Refused); no {
		return nil
	}
	return v
}
