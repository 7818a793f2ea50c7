// Package yaml is the part of PyYAML 6 that handles plain data. A library parses
// the text; what its scalars mean and how values are written is PyYAML's.
package yaml

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// errorType is the base of all errors of the module, as in PyYAML.
var errorType = object.NewExceptionType("YAMLError", object.ExceptionType)

// Module is the part of PyYAML 6 that handles plain data. All loaders are
// the safe one.
func Module() native.Members {
	const options = " default_style:none+str? default_flow_style? canonical? indent:none+int? width:none+float? allow_unicode? line_break? encoding:none+str? explicit_start? explicit_end? version? tags? sort_keys?"
	m := native.Functions(
		native.Func("safe_load", "stream", load),
		native.Func("safe_load_all", "stream", loadAll),
		native.Func("full_load", "stream", load),
		native.Func("full_load_all", "stream", loadAll),
		native.Func("load", "stream Loader", load),
		native.Func("load_all", "stream Loader", loadAll),
		native.Func("safe_dump", "data stream?"+options, dumper(false, false)),
		native.Func("safe_dump_all", "documents stream?"+options, dumper(true, false)),
		native.Func("dump", "data stream? Dumper?"+options, dumper(false, true)),
		native.Func("dump_all", "documents stream? Dumper?"+options, dumper(true, true)),
	)
	m["YAMLError"], m["__version__"] = errorType, object.Str("6.0")
	for _, name := range []string{"SafeLoader", "CSafeLoader", "FullLoader", "CFullLoader", "Loader", "CLoader", "SafeDumper", "CSafeDumper", "Dumper", "CDumper"} {
		m[name] = object.NewType(name, "yaml", nil)
	}
	native.Refuse(m, "yaml", "templates load plain data only: use yaml.safe_load", "unsafe_load", "unsafe_load_all", "UnsafeLoader")
	native.Refuse(m, "yaml", "templates define no classes: convert the values before yaml.dump", "add_representer", "add_constructor", "YAMLObject")
	return m
}
