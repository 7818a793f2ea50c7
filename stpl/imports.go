package stpl

import (
	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
)

func knownModule(name string) bool { return modules.Known(name) }

func hasMember(module, member string) bool { return modules.Has(module, member) }

func importModule(t *object.Thread, name string) (object.Value, error) {
	m, err := modules.Import(t, name)
	if err != nil {
		return nil, err
	}
	return m, nil
}
