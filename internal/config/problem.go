package config

import (
	"errors"
	"syscall"

	"mdserver/internal/config/source"
)

// Problem is one reason not to use a configuration.
type Problem = source.Problem

// Warning is something to look at that does not keep the server from starting.
type Warning = source.Warning

// Directory is one directory of included files.
type Directory = source.Directory

// IsUnreadable reports whether an error of Load means that the configuration, or a
// file that it includes, could not be read.
func IsUnreadable(err error) bool {
	_, found := errors.AsType[syscall.Errno](err)
	return found
}
