package config

import (
	"fmt"
	"slices"
	"strings"
)

// Example is the commented sample file, packaging/etc/mdserver.conf. It says
// all that Reference says, in brief; each key stands there with its default.
func Example() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	for _, s := range sampleOrder() {
		fmt.Fprintf(&b, "\n%s[%s]\n%s", s.mark(), s.name, comment(s.doc))
		if s.name == networkSection {
			b.WriteString(headNote)
		}
		for _, k := range keysOf(s.name) {
			b.WriteString("\n" + comment(k.doc))
			if k.derived != "" {
				b.WriteString(comment("The default is " + k.derived + "."))
			}
			b.WriteString(k.sample())
		}
	}
	return b.String()
}

const headNote = "# The keys below have no effect while the section's first line is commented out.\n"

// sampleOrder has the section of networks last, behind one that has none of its
// keys. Its head is commented out, so a key that is uncommented alone belongs to
// the section above: there it is unknown and changes nothing.
func sampleOrder() []section {
	isNetwork := func(s section) bool { return s.name == networkSection }
	order := slices.DeleteFunc(slices.Clone(sections), isNetwork)
	return append(order, sections[slices.IndexFunc(sections, isNetwork)])
}

// mark comments out the head of a section that stands for others.
func (s section) mark() string {
	if s.name == networkSection {
		return "#"
	}
	return ""
}

const exampleHead = `# Configuration of mdserver.
#
# Every key is described here. A key that is commented out shows its default, or
# an example if the default is empty. After a change, "mdserver config check" checks
# this file and "systemctl reload mdserver" applies it.
#
# Write "key = value" or "key: value". Lines that begin with # or ; are comments; a
# comment cannot follow a value. Indented lines continue a value. %(key)s is the
# value of another key in the section, and %% is a percent sign.
`

// sample is the key's line in the sample file.
func (k *key) sample() string {
	if k.shipped != "" {
		return k.name + " = " + k.shipped + "\n"
	}
	text := pyText(k.def)
	if k.example != "" {
		text = k.example
	}
	if len(text) <= 80 {
		return "#" + k.name + " = " + text + "\n"
	}
	return "#" + k.name + " = " + strings.Join(wrap(text, 80), "\n#\t") + "\n"
}

// comment drops the backticks of the reference.
func comment(text string) string {
	text = strings.ReplaceAll(text, "`", "")
	return "# " + strings.ReplaceAll(text, "\n", "\n# ") + "\n"
}

// wrap breaks a text at its spaces.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		if n := len(lines); n > 0 && len(lines[n-1])+1+len(word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

func keysOf(section string) []*key {
	var list []*key
	for i := range table {
		if table[i].section == section {
			list = append(list, &table[i])
		}
	}
	return list
}

// Reference is the documentation of every key, docs/reference/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## `[%s]`\n\n%s\n", s.name, s.doc)
		for _, k := range keysOf(s.name) {
			fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n", k.name, k.doc)
			for _, fact := range k.facts() {
				b.WriteString("- " + fact + "\n")
			}
		}
	}
	b.WriteString(referenceTail)
	return b.String()
}

const referenceHead = `# Configuration

<!-- Written by go test ./internal/config -update; do not edit. -->

mdserver reads one INI file, ` + "`/etc/mdserver/mdserver.conf`" + ` by default, and the files that it includes.

| command | purpose |
|---|---|
| ` + "`mdserver config check [FILE]`" + ` | check the configuration; problems are listed with file and line |
| ` + "`mdserver config dump [FILE]`" + ` | print all active values, without secrets |
| ` + "`mdserver config default`" + ` | print a commented sample file |
| ` + "`systemctl reload mdserver`" + ` | apply changes (SIGHUP does the same) |

A reload of a file with errors changes nothing, and reports the errors. Keys that need a restart are marked below; a reload names those
that have changed.

## File format

- Each line is ` + "`key = value`" + ` or ` + "`key: value`" + `, in a ` + "`[section]`" + `. Case matters in the names of sections, and not in the names of
  keys. Each section may occur once in a file, and each key once in a section.
- Lines that begin with ` + "`#` or `;`" + ` are comments. A comment cannot follow a value: ` + "`port = 80 # http`" + ` is an error.
- Indented lines continue the value above.
- ` + "`%(key)s`" + ` is the value of another key in the same section, and ` + "`%%`" + ` is a percent sign. Any other ` + "`%`" + ` is kept.
- A key in ` + "`[DEFAULT]`" + ` applies to every section that does not set it.
- Quotes are part of a value. Around a path, number, address or choice they are removed, with a warning.
- Booleans are ` + "`y yes t true on 1` or `n no f false off 0`" + `.

If several files set a key, the last one wins. The order is the main file, the files of each directory in ` + "`[_include_]`" + ` by name, and
the single files in ` + "`[_include_]`" + `. A wrong value prevents the server from starting; the error names file, line, key, value and what is
accepted. An unknown key or section is a warning.
`

const referenceTail = `
[Coming from the Python mdserver](../howto/upgrade.md#configuration) lists what the Python mdserver read differently.
`

// facts are the lines below a key's description.
func (k *key) facts() []string {
	var facts []string
	if k.rest == nil {
		facts = append(facts, "Default: "+k.defaultText())
	}
	if k.accepts != "" {
		facts = append(facts, "Accepted: "+k.accepts)
	}
	if k.example != "" {
		facts = append(facts, "Example: `"+k.example+"`")
	}
	if k.old != "" {
		facts = append(facts, "Former name: `"+k.old+"`; if it is set, it overrides this key")
	}
	if k.secret {
		facts = append(facts, "Secret: never in logs, messages or `/service/configuration`")
	}
	if k.restart {
		facts = append(facts, "A change needs a restart")
	}
	return facts
}

func (k *key) defaultText() string {
	text := pyText(k.def)
	switch {
	case k.derived != "":
		return k.derived
	case text == "" || text == notConfigured:
		return "not set"
	}
	return "`" + text + "`"
}
