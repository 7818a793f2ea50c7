// Package libvirt reads what libvirt knows of a guest: its domain definition,
// as `virsh dumpxml` prints it and as libvirtd hands it to the qemu hook.
//
// The few elements that mdserver needs are decoded with encoding/xml itself. A
// full schema binding decodes the content of <metadata> to text and loses the
// namespace that the Python mdserver's users declare on that element.
package libvirt

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// MaxDomainXML is the largest domain definition that is accepted, in bytes.
// Real ones have 5 to 20 KB; libvirt's own limit is 10 MiB.
const MaxDomainXML = 1 << 20

const hint = "send what `virsh dumpxml NAME` prints"

// ErrTooLarge refuses a definition of more than MaxDomainXML bytes.
var ErrTooLarge = fmt.Errorf("the domain definition is larger than %d bytes", MaxDomainXML)

// domainXML is the part of libvirt's domain format that mdserver reads
// (https://libvirt.org/formatdomain.html).
type domainXML struct {
	Name       string         `xml:"name"`
	UUID       string         `xml:"uuid"`
	Metadata   metadataXML    `xml:"metadata"`
	VCPU       *vcpuXML       `xml:"vcpu"`
	Memory     *memoryXML     `xml:"memory"`
	OSType     osTypeXML      `xml:"os>type"`
	Interfaces []interfaceXML `xml:"devices>interface"`
	Disks      []diskXML      `xml:"devices>disk"`
}

type osTypeXML struct {
	Arch string `xml:"arch,attr"`
}

type vcpuXML struct {
	Current string `xml:"current,attr"`
	Maximum string `xml:",chardata"`
}

// ParseDomain reads a domain definition. Its errors are the sender's: they
// say what is wrong with the document and what to send instead. Beside an error
// it returns the UUID and the name as far as they can be read.
func ParseDomain(data []byte) (instance.Domain, error) {
	if len(data) > MaxDomainXML {
		return instance.Domain{}, ErrTooLarge
	}
	doc, err := decode(data)
	if err != nil {
		return instance.Domain{}, short(err)
	}
	domain, err := doc.domain()
	return domain, short(err)
}

// short leaves out the middle of an error that quotes much of the document.
func short(err error) error {
	const end = 200
	if err == nil || len(err.Error()) <= 2*end {
		return err
	}
	text := err.Error()
	return errors.New(strings.ToValidUTF8(text[:end]+"…"+text[len(text)-end:], ""))
}

func decode(data []byte) (domainXML, error) {
	var doc domainXML
	if len(bytes.TrimSpace(data)) == 0 {
		return doc, errors.New("no domain definition: the document is empty; " + hint)
	}
	dec := newDecoder(bytes.TrimPrefix(data, byteOrderMark))
	root, err := dec.rootElement()
	if err != nil {
		return doc, err
	}
	if root.Name.Local != "domain" || root.Name.Space != "" {
		return doc, fmt.Errorf("not a domain definition: the document's element is <%s>, not <domain>; %s", root.Name.Local, hint)
	}
	if err := dec.DecodeElement(&doc, &root); err != nil {
		return doc, dec.broken(err)
	}
	return doc, dec.onlySpaceLeft()
}

// byteOrderMark is what some editors put before UTF-8.
var byteOrderMark = []byte("\ufeff")

// onlyUTF8 is asked about documents that declare another encoding. libvirt
// writes none.
func onlyUTF8(charset string, input io.Reader) (io.Reader, error) {
	if strings.EqualFold(charset, "us-ascii") {
		return input, nil // a part of UTF-8
	}
	return nil, encodingError(charset)
}

// encodingError names an encoding that is not read.
type encodingError string

func (e encodingError) Error() string {
	return fmt.Sprintf("the document is in the encoding %q, accepted: UTF-8; %s", string(e), hint)
}

func (dec *decoder) rootElement() (xml.StartElement, error) {
	for {
		token, err := dec.Token()
		if err != nil {
			return xml.StartElement{}, dec.broken(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return xml.StartElement{}, errors.New("not XML: the document does not begin with an element; " + hint)
			}
		}
	}
}

func (dec *decoder) onlySpaceLeft() error {
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return dec.broken(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			return fmt.Errorf("broken XML: a second element <%s> follows the domain", t.Name.Local)
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errors.New("broken XML: text follows the domain")
			}
		}
	}
}

// broken says that the document cannot be read, and where.
func (dec *decoder) broken(err error) error {
	var (
		encoding encodingError
		excess   excessError
		syntax   *xml.SyntaxError
	)
	switch {
	case errors.As(err, &encoding):
		return encoding
	case errors.As(err, &excess):
		return excess
	case errors.As(err, &syntax):
		syntax.Line = dec.tokens.line()
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("broken XML: %w; %s", err, hint)
}

func (doc domainXML) domain() (instance.Domain, error) {
	d := instance.Domain{Name: doc.Name, Hardware: instance.Hardware{Arch: doc.OSType.Arch}}
	var err error
	if d.UUID, err = parseUUID(doc.UUID); err != nil {
		return d, err
	}
	if err := instance.ValidateName(d.Name); err != nil {
		return d, err
	}
	if d.Interfaces, err = interfaces(doc.Interfaces); err != nil {
		return d, err
	}
	d.Disks = disks(doc.Disks)
	if d.VCPUs, err = doc.VCPU.count(); err != nil {
		return d, err
	}
	if d.Memory, err = doc.Memory.bytes(); err != nil {
		return d, err
	}
	d.Metadata = doc.Metadata.Metadata
	return d, d.Validate()
}

func parseUUID(text string) (uuid.UUID, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return uuid.Nil, errors.New("the domain has no <uuid>; " + hint)
	}
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil {
		return uuid.Nil, fmt.Errorf("the domain's <uuid> %q is not a UUID", text)
	}
	return id, nil
}

// count is the number of virtual CPUs that the guest starts with.
func (v *vcpuXML) count() (int, error) {
	if v == nil {
		return 0, nil
	}
	text := strings.TrimSpace(v.Current)
	if text == "" {
		text = strings.TrimSpace(v.Maximum)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("the domain's <vcpu> %q is not a whole number", text)
	}
	return int(n), nil
}
