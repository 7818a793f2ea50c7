package modules

import (
	"math"

	"mdserver/stpl/internal/object"
)

func sysModule() members {
	m := members{
		"maxsize": object.Int(math.MaxInt64), "version_info": object.Tuple{object.Int(3), object.Int(11), object.Int(0), object.Str("final"), object.Int(0)},
		"byteorder": object.Str("little"), "maxunicode": object.Int(0x10ffff), "platform": object.Str("linux"),
	}
	refuse(m, "sys", "raise an exception to end a render", "exit")
	return m
}
