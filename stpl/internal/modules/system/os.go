// Package system is what templates have of Python's os, os.path and sys: constants
// and functions of paths, and nothing of the host.
package system

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// OS has the constants of os, an empty environment and os.path.
func OS() native.Members {
	m := native.Members{
		"environ": environ{}, "name": object.Str("posix"), "sep": object.Str("/"), "linesep": object.Str("\n"),
		"pathsep": object.Str(":"), "curdir": object.Str("."), "pardir": object.Str(".."), "extsep": object.Str("."),
		"altsep": object.None, "devnull": object.Str("/dev/null"),
		"path":   object.NewModule("posixpath", Path()),
		"getenv": native.Func("getenv", "key default?", func(_ *object.Thread, a []object.Value) (object.Value, error) { return object.OrNone(a[1]), nil }),
	}
	native.Refuse(m, "os", "templates start no programs", "system", "popen", "execv", "execl", "execve", "fork", "spawnl", "kill", "abort", "_exit")
	native.Refuse(m, "os", "templates do not see the host's files", "open", "listdir", "scandir", "walk", "stat", "remove", "unlink",
		"rename", "mkdir", "makedirs", "rmdir", "chmod", "chown", "symlink", "readlink", "getcwd", "chdir", "access")
	native.Refuse(m, "os", "templates do not see the host", "getpid", "getppid", "getuid", "getgid", "getlogin", "uname", "cpu_count",
		"getloadavg", "putenv", "unsetenv")
	native.Refuse(m, "os", "use the module secrets", "urandom")
	return m
}

// environ is os.environ: an empty mapping that stays empty.
type environ struct{}

// Class, Text, Repr and Len implement object.Value, object.Texter and object.Sized.
func (environ) Class() *object.Type { return environType }
func (environ) Text() string        { return "environ({})" }
func (environ) Repr() string        { return "environ({})" }
func (environ) Len() int            { return 0 }

// Index implements object.Indexed.
func (environ) Index(_ *object.Thread, key object.Value) (object.Value, error) {
	if _, err := native.Text(key); err != nil {
		return nil, object.Raise(object.TypeError, "str expected, not %s", object.TypeName(key))
	}
	return nil, object.RaiseValue(object.KeyError, key)
}

// Contains implements object.Container.
func (environ) Contains(*object.Thread, object.Value) (bool, error) { return false, nil }

// Iterate implements object.Iterable.
func (environ) Iterate(t *object.Thread) (object.Iterator, error) {
	return object.Iterate(t, object.Tuple{})
}

var environType = object.NewType("_Environ", "os", nil).Define(
	native.Func("get", "key default?", func(_ *object.Thread, a []object.Value) (object.Value, error) { return object.OrNone(a[2]), nil }),
	native.Func("keys", "", emptyList), native.Func("values", "", emptyList), native.Func("items", "", emptyList),
	native.Func("copy", "", func(*object.Thread, []object.Value) (object.Value, error) { return object.NewDict(), nil }),
)

func emptyList(*object.Thread, []object.Value) (object.Value, error) { return object.NewList(nil), nil }
