package smbios

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Change is one thing that differs between two definitions; From or To is empty
// for what is added or taken away.
type Change struct {
	What string `json:"what"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// String tells the change in words.
func (c Change) String() string {
	switch {
	case c.From == "":
		return fmt.Sprintf("%s: %q", c.What, c.To)
	case c.To == "":
		return fmt.Sprintf("%s: %q is removed", c.What, c.From)
	}
	return fmt.Sprintf("%s: %q becomes %q", c.What, c.From, c.To)
}

// Apply puts the look on a domain definition and reports the changes. Entries that
// give the guest another datasource are removed; everything else stays the same,
// byte for byte.
func (l Look) Apply(definition string) (string, []Change, error) {
	doc, err := scan(definition)
	if err != nil {
		return "", nil, fmt.Errorf("libvirt's domain definition: %w", err)
	}
	if doc.os == nil {
		return "", nil, errors.New("libvirt's domain definition: there is no <os>")
	}
	e := edit{doc: doc}
	e.setMode()
	e.setEntries(l)
	return e.result(definition), e.changes, nil
}

// edit collects replacements in a definition.
type edit struct {
	doc     *document
	changes []Change
	splices []splice
}

// splice puts text in place of the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

func (e *edit) change(what, from, to string) { e.changes = append(e.changes, Change{what, from, to}) }

// setMode makes the tables count.
func (e *edit) setMode() {
	const mode, wanted = "<smbios mode='sysinfo'/>", "sysinfo"
	switch has := e.doc.smbios; {
	case has == nil:
		e.change("os/smbios mode", "", wanted)
		e.append(e.doc.os, mode)
	case has.attr["mode"] != wanted:
		e.change("os/smbios mode", has.attr["mode"], wanted)
		e.splices = append(e.splices, splice{has.start, has.end, mode})
	}
}

// setEntries writes the one entry that a look needs and takes away those of
// other looks.
func (e *edit) setEntries(l Look) {
	there := false
	for _, has := range e.doc.entries {
		old := Entry{has.parent, has.attr["name"], strings.TrimSpace(has.text)}
		switch {
		case old.Table == l.entry.Table && old.Name == l.entry.Name:
			there = true
			if old.Value != l.entry.Value {
				e.change(title(old), old.Value, l.entry.Value)
				e.splices = append(e.splices, splice{has.start, has.end, l.entry.xml()})
			}
		case old.gives(l.uuid):
			e.change(title(old), old.Value, "")
			e.splices = append(e.splices, splice{has.start, has.end, ""})
		}
	}
	if !there {
		e.change(title(l.entry), "", l.entry.Value)
		e.addEntry(l.entry)
	}
}

func title(entry Entry) string { return entry.Table + " " + entry.Name }

func (e *edit) addEntry(entry Entry) {
	table := fmt.Sprintf("<%[1]s>%[2]s</%[1]s>", entry.Table, entry.xml())
	switch {
	case e.doc.tables[entry.Table] != nil:
		e.append(e.doc.tables[entry.Table], entry.xml())
	case e.doc.sysinfo != nil:
		e.append(e.doc.sysinfo, table)
	default:
		at := e.doc.os.start
		e.splices = append(e.splices, splice{at, at, "<sysinfo type='smbios'>" + table + "</sysinfo>"})
	}
}

// append adds a child to an element, which may be of the form <element/>.
func (e *edit) append(to *element, child string) {
	if to.selfClosed {
		e.splices = append(e.splices, splice{to.end - len("/>"), to.end, ">" + child + "</" + to.name + ">"})
		return
	}
	e.splices = append(e.splices, splice{to.inner, to.inner, child})
}

func (e *edit) result(definition string) string {
	slices.SortStableFunc(e.splices, func(a, b splice) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, s := range e.splices {
		b.WriteString(definition[at:s.start])
		b.WriteString(s.text)
		at = s.end
	}
	b.WriteString(definition[at:])
	return b.String()
}

func (e Entry) xml() string {
	return fmt.Sprintf("<entry name='%s'>%s</entry>", e.Name, escape(e.Value))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// document is where the elements are that a look changes.
type document struct {
	os, smbios, sysinfo *element
	tables              map[string]*element // those in sysinfo, by name
	entries             []*element          // those in the tables
}

// element is one element of a definition and the bytes that it takes up.
type element struct {
	name, parent string
	attr         map[string]string
	text         string
	start, inner int // inner is where its end tag begins
	end          int
	selfClosed   bool
}

// scan finds the elements in one pass.
func scan(definition string) (*document, error) {
	doc := &document{tables: map[string]*element{}}
	dec := xml.NewDecoder(strings.NewReader(definition))
	var open []*element
	for {
		at := int(dec.InputOffset())
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return doc, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			el := &element{name: t.Name.Local, attr: map[string]string{}, start: at}
			for _, a := range t.Attr {
				el.attr[a.Name.Local] = a.Value
			}
			if len(open) > 0 {
				el.parent = open[len(open)-1].name
			}
			open = append(open, el)
			doc.note(open)
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		case xml.EndElement:
			el := open[len(open)-1]
			el.inner, el.end = at, int(dec.InputOffset())
			el.selfClosed = strings.HasSuffix(definition[el.start:el.end], "/>")
			open = open[:len(open)-1]
		}
	}
}

// note keeps an element if it is one that a look changes. libvirt allows
// <sysinfo> once for each type.
func (doc *document) note(open []*element) {
	el := open[len(open)-1]
	in := func(path ...string) bool {
		return slices.EqualFunc(open[1:], path, func(e *element, name string) bool { return name == "*" || e.name == name })
	}
	smbios := len(open) > 2 && open[1].attr["type"] == "smbios"
	switch {
	case in("os"):
		doc.os = el
	case in("os", "smbios"):
		doc.smbios = el
	case in("sysinfo") && el.attr["type"] == "smbios":
		doc.sysinfo = el
	case smbios && in("sysinfo", "*"):
		doc.tables[el.name] = el
	case smbios && in("sysinfo", "*", "entry"):
		doc.entries = append(doc.entries, el)
	}
}
