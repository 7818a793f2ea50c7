package manual

import (
	"strings"
	"testing"
)

// sections has each fact that a key can have.
var sections = []Section{
	{Name: "lan NAME", Doc: "A network.", Template: true, Keys: []Key{
		{Name: "mtu", Doc: "Its `MTU`.", Derived: "that of `[a]`", Accepts: "a number", Example: "1450"},
	}},
	{Name: "a", Doc: "First line\nand second.", Keys: []Key{
		{Name: "port", Doc: "The port.", Default: "80", Accepts: "a port", Former: "b.port", Restart: true},
		{Name: "mode", Doc: "The mode.", Default: "old", Shipped: "new"},
		{Name: "password", Doc: "For\ntwo lines.", Secret: true},
		{Name: "words", Doc: "Many.", Default: strings.Repeat("word, ", 15) + "word"},
		{Name: "NAME", Doc: "Others.", Free: true, Example: "text"},
	}},
}

func TestSample(t *testing.T) {
	got, found := strings.CutPrefix(Sample(sections), sampleHead)
	want := `
[a]
# First line
# and second.

# The port.
#port = 80

# The mode.
mode = new

# For
# two lines.
#password = 

# Many.
#words = word, word, word, word, word, word, word, word, word, word, word, word, word,
#	word, word, word

# Others.
#NAME = text

#[lan NAME]
# A network.
# The keys below have no effect while the section's first line is commented out.

# Its MTU.
# The default is that of [a].
#mtu = 1450
`
	if !found || got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestReference(t *testing.T) {
	got, found := strings.CutPrefix(Reference(sections), referenceHead)
	got, ended := strings.CutSuffix(got, referenceTail)
	want := strings.ReplaceAll(`
## ''[lan NAME]''

A network.

### ''mtu''

Its ''MTU''.

- Default: that of ''[a]''
- Accepted: a number
- Example: ''1450''

## ''[a]''

First line
and second.

### ''port''

The port.

- Default: ''80''
- Accepted: a port
- Former name: ''b.port''; if it is set, it overrides this key
- A change needs a restart

### ''mode''

The mode.

- Default: ''old''

### ''password''

For
two lines.

- Default: not set
- Secret: never in logs, messages or ''/service/configuration''

### ''words''

Many.

- Default: ''WORDS''

### ''NAME''

Others.

- Example: ''text''
`, "''", "`")
	want = strings.ReplaceAll(want, "WORDS", sections[1].Keys[3].Default)
	if !found || !ended || got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
