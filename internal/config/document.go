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
# Every key is explained here. Keys that are commented out show their default, or
# an example where the default is to have none. "mdserver config check" tells
# whether a changed file holds; "systemctl reload mdserver" puts it in force.
#
# A line is "key = value" or "key: value"; lines that begin with # or ; are
# comments, and there are none at the end of a line. Indented lines continue a
# value. %(key)s stands for the value of another key of the section, %% for a
# percent sign.
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

mdserver reads one INI file, ` + "`/etc/mdserver/mdserver.conf`" + ` unless told otherwise, and the files that
it includes. A configuration of the original mdserver works as it is: its keys have the meaning
and the defaults that they had there, but for what is noted below.

    mdserver config check [FILE]      what is wrong or doubtful, with file and line
    mdserver config dump [FILE]       every value in force, without secrets
    mdserver config default           a commented sample file

` + "`systemctl reload mdserver`" + ` (or SIGHUP) applies changes. A file with a mistake in it changes
nothing: the server says what is wrong and goes on with what it had. Some keys take a restart; the
log names them when one of them has changed.

## The file

- A line is ` + "`key = value`" + ` or ` + "`key: value`" + `, below a ` + "`[section]`" + `. Keys may be written in either case,
  sections may not. A section may stand in a file once, and a key in a section once.
- A line that begins with ` + "`#` or `;`" + ` is a comment. A comment cannot follow a value: ` + "`port = 80 # http`" + `
  is refused.
- Indented lines continue the value above them.
- ` + "`%(key)s`" + ` stands for the value of another key in the same section, ` + "`%%`" + ` for a percent sign. A ` + "`%`" + `
  that is neither stands for itself.
- What ` + "`[DEFAULT]`" + ` sets, every section has, unless it sets the same key itself.
- Quotes are part of a value, save that a path, a number, an address or a choice that stands in
  quotes is taken without them, with a warning.
- A yes or no is one of ` + "`y yes t true on 1` or `n no f false off 0`" + `.

Where several files set a key, the one read last counts: the main file, then the files of each
directory of ` + "`[_include_]`" + ` by name, then its single files. A wrong value there keeps the server from
starting, with a message that names file, line, key, what was read and what is accepted. An unknown
key or section is a warning that names the nearest known one.
`

const referenceTail = `
## Where mdserver departs from the original

What the original read without complaint is read here too, but for the values that are called refused.

- ` + "`service.ec2_versions`" + ` has a longer default, because current clients ask for newer versions.
- ` + "`dnsmasq.use_dns = no`" + ` means no. The original took any text for yes.
- ` + "`dnsmasq.prefix`, `dnsmasq.domain`" + `: a bare yes is refused, for it names nothing.
- ` + "`dnsmasq.lease_len`" + ` is the time of a lease; the original took it for a number of leases as well, and
  stopped when a file set it.
- ` + "`dnsmasq.entry_order`" + `: an unknown word is refused, not passed over.
- ` + "`mdserver.logfile`, `mdserver.default_template`, `mdserver.password` and `dnsmasq.listen_address`" + ` may be
  left empty, or be None, for nothing.
- A ` + "`%`" + ` that begins neither ` + "`%%` nor `%(key)s`" + ` stands for itself.
- A host name as ` + "`mdserver.listen_address`" + ` is refused; it takes an IP address.
- Names that would not be safe in DNS, in a file name or in dnsmasq's configuration are refused.
- ` + "`/service/configuration`" + ` leaves out unknown keys: one of them may be a misspelt password.
- A main file that does not exist is refused; the original went on with its defaults.
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
		facts = append(facts, "A change takes a restart")
	}
	if !k.original() {
		facts = append(facts, "New: the original has no such key")
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
