package libvirt

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

// MetadataNamespace is the XML namespace of mdserver's elements within a domain's
// <metadata>. It is the Python mdserver's.
const MetadataNamespace = "urn:md_server:domain_metadata"

// metadataXML collects mdserver's elements from a domain's <metadata>. Two forms
// are understood: the Python mdserver's, a key directly below <metadata>, and one
// container element (of any name) that holds all keys. Use the container for more
// than one key: libvirt keeps one top-level element per namespace.
type metadataXML struct {
	instance.Metadata
}

// node is any element with all that is in it.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []node     `xml:",any"`
}

func (m *metadataXML) UnmarshalXML(dec *xml.Decoder, start xml.StartElement) error {
	var all struct {
		Elements []node `xml:",any"`
	}
	if err := dec.DecodeElement(&all, &start); err != nil {
		return err
	}
	for _, element := range all.Elements {
		if element.XMLName.Space != MetadataNamespace {
			continue
		}
		if len(element.Children) > 0 && element.XMLName.Local != instance.KeyTags {
			m.container(element)
			continue
		}
		m.add(element)
	}
	return nil
}

func (m *metadataXML) container(n node) {
	if text := trimmed(n.Text); text != "" {
		m.warn("the text %s in <%s> is ignored, because the element contains others", quoted(text), n.name())
	}
	for _, child := range n.Children {
		m.add(child)
	}
}

func (m *metadataXML) add(n node) {
	if name, ok := n.attribute(); ok && trimmed(n.Text) == "" && len(n.Children) == 0 {
		m.warn("the attribute %s of <%s> is ignored: write <%s>value</%s>", quoted(name), n.name(), n.name(), n.name())
	}
	key := n.XMLName.Local
	if key == instance.KeyTags {
		m.addTags(n)
		return
	}
	for _, child := range n.Children {
		m.warn("<%s> within <%s> is ignored: a value is text only", child.name(), n.name())
	}
	if m.Values == nil {
		m.Values = map[string]string{}
	}
	if before, twice := m.Values[key]; twice {
		m.warn("<%s> occurs twice: %s is ignored", n.name(), quoted(before))
	}
	m.Values[key] = trimmed(n.Text)
}

// addTags reads <tags>a=1, b=2</tags> as well as
// <tags><tag name='a'>1</tag><b>2</b></tags>.
func (m *metadataXML) addTags(n node) {
	if m.Tags != nil {
		m.warn("<%s> occurs twice: the first is ignored", n.name())
	}
	if len(n.Children) == 0 {
		m.Tags = instance.ParseTags(trimmed(n.Text))
		for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
			if value := m.Tags[name]; strings.ContainsAny(value, "=;\n") {
				m.warn("the tag %s has the value %s: commas separate tags", quoted(name), quoted(value))
			}
		}
		return
	}
	if text := trimmed(n.Text); text != "" {
		m.warn("the text %s in <%s> is ignored, because the element contains others", quoted(text), n.name())
	}
	m.Tags = map[string]string{}
	for _, child := range n.Children {
		m.addTag(child)
	}
}

func (m *metadataXML) addTag(n node) {
	name := n.XMLName.Local
	if given, ok := n.attr("name"); ok {
		name = given
	}
	for _, child := range n.Children {
		m.warn("<%s> within the tag %s is ignored: a value is text only", child.name(), quoted(name))
	}
	if before, twice := m.Tags[name]; twice {
		m.warn("the tag %s occurs twice: %s is ignored", quoted(name), quoted(before))
	}
	m.Tags[name] = trimmed(n.Text)
}

// What is kept of the definition's oddities.
const (
	maxWarnings = 8
	maxQuoted   = 60
)

func (m *metadataXML) warn(format string, args ...any) {
	if len(m.Warnings) < maxWarnings {
		m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
	}
}

func quoted(text string) string {
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return strconv.Quote(text)
}

func (n node) name() string {
	if len(n.XMLName.Local) > maxQuoted {
		return strings.ToValidUTF8(n.XMLName.Local[:maxQuoted], "") + "…"
	}
	return n.XMLName.Local
}

// attribute is the name of an attribute, other than a namespace, if there is one.
func (n node) attribute() (string, bool) {
	for _, attr := range n.Attrs {
		if attr.Name.Space == "" && attr.Name.Local != "xmlns" {
			return attr.Name.Local, true
		}
	}
	return "", false
}

func (n node) attr(name string) (string, bool) {
	for _, attr := range n.Attrs {
		if attr.Name.Local == name && attr.Name.Space == "" {
			return attr.Value, true
		}
	}
	return "", false
}

// trimmed is text without the space around it. It is a copy, because a part of a
// text keeps the whole text in memory.
func trimmed(text string) string { return strings.Clone(strings.TrimSpace(text)) }
