package modules

import (
	"mdserver/stpl/internal/object"
)

// yamlError is the base of all errors of the module, as in PyYAML.
var yamlError = object.NewExceptionType("YAMLError", object.ExceptionType)

// yamlModule is the part of PyYAML 6 that handles plain data. All loaders are
// the safe one.
func yamlModule() members {
	const options = " default_style? default_flow_style? canonical? indent? width? allow_unicode? line_break? encoding? explicit_start? explicit_end? version? tags? sort_keys?"
	m := functions(
		fn("safe_load", "stream", yamlLoad),
		fn("safe_load_all", "stream", yamlLoadAll),
		fn("full_load", "stream", yamlLoad),
		fn("full_load_all", "stream", yamlLoadAll),
		fn("load", "stream Loader", yamlLoad),
		fn("load_all", "stream Loader", yamlLoadAll),
		fn("safe_dump", "data stream?"+options, yamlDump(false, false)),
		fn("safe_dump_all", "documents stream?"+options, yamlDump(true, false)),
		fn("dump", "data stream? Dumper?"+options, yamlDump(false, true)),
		fn("dump_all", "documents stream? Dumper?"+options, yamlDump(true, true)),
	)
	m["YAMLError"], m["__version__"] = yamlError, object.Str("6.0")
	for _, name := range []string{"SafeLoader", "CSafeLoader", "FullLoader", "CFullLoader", "Loader", "CLoader", "SafeDumper", "CSafeDumper", "Dumper", "CDumper"} {
		m[name] = object.NewType(name, "yaml", nil)
	}
	refuse(m, "yaml", "templates load plain data only: use yaml.safe_load", "unsafe_load", "unsafe_load_all", "UnsafeLoader")
	refuse(m, "yaml", "templates define no classes: convert the values before yaml.dump", "add_representer", "add_constructor", "YAMLObject")
	return m
}
