// Package manual explains the keys of mdserver.conf: in the commented sample file,
// and in the reference. It is given the keys, and knows none of them by itself.
package manual

import (
	"fmt"
	"slices"
	"strings"
)

// Section is one section of the file.
type Section struct {
	Name, Doc string
	Template  bool // stands for sections with names of their own
	Keys      []Key
}

// Key is what the sample file and the reference say of one key.
type Key struct {
	Name, Doc string

	Default string // as a file would have it; "" for none
	Derived string // what the default is, if it depends on other keys or on the host
	Accepts string // completes "accepted: "
	Example string // stands in the sample file where a default cannot
	Shipped string // what the sample file sets; "" leaves the key commented
	Former  string // the former "section.key", or ""

	Free    bool // stands for all keys that have no other row
	Secret  bool
	Restart bool // cannot change while the server runs
}

// Sample is the commented sample file, packaging/etc/mdserver.conf. It says all that
// Reference says, in brief; each key stands there with its default.
func Sample(sections []Section) string {
	var b strings.Builder
	b.WriteString(sampleHead)
	for _, s := range sampleOrder(sections) {
		fmt.Fprintf(&b, "\n%s[%s]\n%s", s.mark(), s.Name, comment(s.Doc))
		if s.Template {
			b.WriteString(headNote)
		}
		for _, k := range s.Keys {
			b.WriteString("\n" + comment(k.Doc))
			if k.Derived != "" {
				b.WriteString(comment("The default is " + k.Derived + "."))
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
func sampleOrder(sections []Section) []Section {
	order := slices.Clone(sections)
	slices.SortStableFunc(order, func(a, b Section) int {
		switch {
		case a.Template == b.Template:
			return 0
		case a.Template:
			return 1
		}
		return -1
	})
	return order
}

// mark comments out the head of a section that stands for others.
func (s Section) mark() string {
	if s.Template {
		return "#"
	}
	return ""
}

const sampleHead = `# Configuration of mdserver.
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
func (k Key) sample() string {
	if k.Shipped != "" {
		return k.Name + " = " + k.Shipped + "\n"
	}
	text := k.Default
	if k.Example != "" {
		text = k.Example
	}
	if len(text) <= 80 {
		return "#" + k.Name + " = " + text + "\n"
	}
	return "#" + k.Name + " = " + strings.Join(wrap(text, 80), "\n#\t") + "\n"
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

// Reference is the documentation of every key, docs/reference/configuration.md.
func Reference(sections []Section) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## `[%s]`\n\n%s\n", s.Name, s.Doc)
		for _, k := range s.Keys {
			fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n", k.Name, k.Doc)
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
func (k Key) facts() []string {
	var facts []string
	if !k.Free {
		facts = append(facts, "Default: "+k.defaultText())
	}
	if k.Accepts != "" {
		facts = append(facts, "Accepted: "+k.Accepts)
	}
	if k.Example != "" {
		facts = append(facts, "Example: `"+k.Example+"`")
	}
	if k.Former != "" {
		facts = append(facts, "Former name: `"+k.Former+"`; if it is set, it overrides this key")
	}
	if k.Secret {
		facts = append(facts, "Secret: never in logs, messages or `/service/configuration`")
	}
	if k.Restart {
		facts = append(facts, "A change needs a restart")
	}
	return facts
}

func (k Key) defaultText() string {
	switch {
	case k.Derived != "":
		return k.Derived
	case k.Default == "":
		return "not set"
	}
	return "`" + k.Default + "`"
}
