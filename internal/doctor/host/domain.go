package host

import (
	"encoding/xml"
	"fmt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt"
	"mdserver/internal/smbios"
)

// Domain is a guest in libvirt's words, as far as the checks look at it.
type Domain struct {
	smbios.Domain
	Metadata   instance.Metadata `xml:"-"`
	Interfaces []NIC             `xml:"devices>interface"`
	Disks      []instance.Disk   `xml:"-"`
	Fetched    bool              `xml:"-"` // it has read its metadata or user-data; asked only where a check needs it
}

// NIC is a network interface of a domain.
type NIC struct {
	Type   string `xml:"type,attr"`
	Source struct {
		Network string `xml:"network,attr"`
		Bridge  string `xml:"bridge,attr"`
	} `xml:"source"`
	Target struct {
		Dev string `xml:"dev,attr"` // this host's end, while the domain runs
	} `xml:"target"`
	Model struct {
		Type string `xml:"type,attr"`
	} `xml:"model"`
}

// ParseDomain reads libvirt's definition of a domain.
func ParseDomain(text string) (Domain, error) {
	var d Domain
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("libvirt's domain definition: %w", err)
	}
	guest, _ := libvirt.ParseDomain([]byte(text))
	d.Metadata, d.Disks = guest.Metadata, guest.Disks
	return d, nil
}
