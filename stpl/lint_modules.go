package stpl

import (
	"cmp"
	"strings"

	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// imported notes what an import binds: a module, or a member of one. A name
// that two imports bind to different values is not followed.
func (l *linter) imported(n *syntax.Import) {
	for _, name := range n.Names {
		if name.Name == "*" { // binds names that are not in the text
			l.known, l.jinja = nil, false
			continue
		}
		as, value := cmp.Or(name.As, name.Name), modules.Find(name.Name)
		switch {
		case n.From != "":
			value = modules.Find(n.From + "." + name.Name)
		case name.As == "": // import a.b binds a
			as, _, _ = strings.Cut(name.Name, ".")
			value = modules.Find(as)
		}
		if before, again := l.imports[as]; again && before != value {
			value = nil
		}
		l.imports[as] = value
	}
}

// value is the module or class that an expression stands for, nil if that is
// something else or not sure.
func (l *linter) value(x syntax.Expr) object.Value {
	switch x := x.(type) {
	case *syntax.Name:
		if _, other := l.values[x.ID]; !other {
			return l.imports[x.ID]
		}
	case *syntax.Attr:
		return member(l.value(x.X), x.Name)
	}
	return nil
}

func member(of object.Value, name string) object.Value {
	switch of := of.(type) {
	case *object.Module:
		return modules.Member(of, name)
	case *object.Type:
		return of.Member(name)
	}
	return nil
}

// moduleAttribute reports an attribute that a module or class of Python has and
// that templates do not have.
func (l *linter) moduleAttribute(n *syntax.Attr) {
	value := l.value(n.X)
	if value == nil || strings.HasPrefix(n.Name, "__") || member(value, n.Name) != nil {
		return
	}
	switch value := value.(type) {
	case *object.Module:
		l.report(n, "AttributeError", "module '%s' has no attribute '%s' in templates%s", value.Name, n.Name, modules.Reason(value, n.Name))
	case *object.Type:
		l.report(n, "AttributeError", "type object '%s' has no attribute '%s' in templates", value.Name, n.Name)
	}
}
