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

	"mdserver/stpl/internal/object"
)

// all builds every module.
var all = sync.OnceValue(func() map[string]*object.Module {
	m := map[string]*object.Module{}
	for name, build := range map[string]func() members{
		"base64":       base64Module,
		"hashlib":      hashlibModule,
		"hmac":         hmacModule,
		"json":         jsonModule,
		"math":         mathModule,
		"collections":  collectionsModule,
		"copy":         copyModule,
		"gzip":         gzipModule,
		"operator":     operatorModule,
		"shlex":        shlexModule,
		"struct":       structModule,
		"zlib":         zlibModule,
		"yaml":         yamlModule,
		"sys":          sysModule,
		"itertools":    itertoolsModule,
		"functools":    functoolsModule,
		"html":         htmlModule,
		"secrets":      secretsModule,
		"urllib.parse": urllibParseModule,
		"urllib":       urllibModule,
		"os":           osModule,
		"os.path":      osPathModule,
		"ipaddress":    ipaddressModule,
		"random":       randomModule,
		"uuid":         uuidModule,
		"crypt":        cryptModule,
		"datetime":     datetimeModule,
		"time":         timeModule,
		"re":           reModule,
		"string":       stringModule,
		"textwrap":     textwrapModule,
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
	if r, ok := m.Member(name).(*refused); ok {
		return ": " + r.reason
	}
	return ""
}

func usable(v object.Value) object.Value {
	if _, no := v.(*refused); no {
		return nil
	}
	return v
}
