package system

import (
	"math"

	"mdserver/stpl/internal/modules/collections"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Sys makes the module sys.
func Sys() native.Members {
	version := collections.Named("sys.version_info", []string{"major", "minor", "micro", "releaselevel", "serial"},
		object.Tuple{object.Int(3), object.Int(11), object.Int(0), object.Str("final"), object.Int(0)})
	m := native.Members{
		"maxsize": object.Int(math.MaxInt64), "version_info": version,
		"byteorder": object.Str("little"), "maxunicode": object.Int(0x10ffff), "platform": object.Str("linux"),
	}
	native.Refuse(m, "sys", "raise an exception to end a render", "exit")
	return m
}
