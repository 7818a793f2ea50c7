package stpl

import "mdserver/internal/stpl/object"

func knownModule(string) bool { return false }

func hasMember(string, string) bool { return false }

func importModule(_ *object.Thread, name string) (object.Value, error) {
	return nil, object.Raise(object.ModuleNotFoundError, "No module named '%s'", name)
}
