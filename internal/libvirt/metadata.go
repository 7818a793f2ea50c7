package libvirt

import (
	"encoding/xml"
	"strings"

	"mdserver/internal/instance"
)

// MetadataNamespace is the XML namespace of mdserver's elements within a
// domain's <metadata>. It is the original's.
const MetadataNamespace = "urn:md_server:domain_metadata"

// metadataXML collects mdserver's elements from a domain's <metadata>. Two
// forms are understood: the original's, a key directly below <metadata>, and
// one container element (of any name) that holds all keys. Use the container
// for more than one key: libvirt keeps one top-level element per namespace.
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
			for _, child := range element.Children {
				m.add(child)
			}
			continue
		}
		m.add(element)
	}
	return nil
}

func (m *metadataXML) add(n node) {
	if n.XMLName.Local == instance.KeyTags {
		m.Tags = n.tags()
		return
	}
	if m.Values == nil {
		m.Values = map[string]string{}
	}
	m.Values[n.XMLName.Local] = trimmed(n.Text)
}

// tags reads <tags>a=1, b=2</tags> as well as
// <tags><tag name='a'>1</tag><b>2</b></tags>.
func (n node) tags() map[string]string {
	if len(n.Children) == 0 {
		return instance.ParseTags(trimmed(n.Text))
	}
	tags := map[string]string{}
	for _, child := range n.Children {
		name := child.XMLName.Local
		if given, ok := child.attr("name"); ok {
			name = given
		}
		tags[name] = trimmed(child.Text)
	}
	return tags
}

func (n node) attr(name string) (string, bool) {
	for _, attr := range n.Attrs {
		if attr.Name.Local == name && attr.Name.Space == "" {
			return attr.Value, true
		}
	}
	return "", false
}

// trimmed is text without the space around it. It is a copy: a short text would
// keep a long one in memory of which it is a part.
func trimmed(text string) string { return strings.Clone(strings.TrimSpace(text)) }
