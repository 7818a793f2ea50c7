package config

import "mdserver/internal/config/manual"

// Example is the commented sample file, packaging/etc/mdserver.conf.
func Example() string { return manual.Sample(described()) }

// Reference is the documentation of every key, docs/reference/configuration.md.
func Reference() string { return manual.Reference(described()) }

// described is the table of keys as the manual shows it.
func described() []manual.Section {
	var list []manual.Section
	for _, s := range sections {
		d := manual.Section{Name: s.name, Doc: s.doc, Template: s.name == networkSection}
		for _, k := range keysOf(s.name) {
			d.Keys = append(d.Keys, k.described())
		}
		list = append(list, d)
	}
	return list
}

func (k *key) described() manual.Key {
	text := pyText(k.def)
	if text == notConfigured {
		text = ""
	}
	return manual.Key{
		Name: k.name, Doc: k.doc,
		Default: text, Derived: k.derived, Accepts: k.accepts, Example: k.example, Shipped: k.shipped, Former: k.old,
		Free: k.rest != nil, Secret: k.secret, Restart: k.restart,
	}
}
