// Package smbios is about what a guest's hardware says of the cloud it is in.
// An unmodified image reads its SMBIOS tables, and cloud-init's ds-identify
// finds by them where to look for metadata, or that there is none.
//
//	domain, err := smbios.Parse(definition)
//	datasource, why := domain.Datasource()                    // what the guest takes itself for
//	look, err := smbios.LookOf(smbios.OpenStack, domain, server)
//	changed, changes, err := look.Apply(definition)
//
// Sources: ds-identify of cloud-init 22.4.2 to 26.2; "SMBIOS System
// Information" of https://libvirt.org/formatdomain.html.
package smbios

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Domain is what the definition of a guest says of its SMBIOS tables.
type Domain struct {
	Name    string `xml:"name"`
	UUID    string `xml:"uuid"`
	Cmdline string `xml:"os>cmdline"`
	OSType  struct {
		Arch string `xml:"arch,attr"`
	} `xml:"os>type"`
	SMBIOS struct {
		Mode string `xml:"mode,attr"`
	} `xml:"os>smbios"`
	Sysinfo []sysinfo `xml:"sysinfo"`
}

type sysinfo struct {
	Type    string  `xml:"type,attr"`
	System  []entry `xml:"system>entry"`
	Chassis []entry `xml:"chassis>entry"`
}

type entry struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

// Parse reads a domain definition.
func Parse(definition string) (Domain, error) {
	var d Domain
	if err := xml.Unmarshal([]byte(definition), &d); err != nil {
		return d, fmt.Errorf("libvirt's domain definition: %w", err)
	}
	return d, nil
}

// HasSMBIOS reports whether a machine of the domain's architecture has SMBIOS
// tables at all.
func (d Domain) HasSMBIOS() bool {
	arch := d.OSType.Arch
	return !strings.HasPrefix(arch, "s390") && !strings.HasPrefix(arch, "ppc")
}

// tables are those of <sysinfo type='smbios'>, which is there once at most.
func (d Domain) tables() sysinfo {
	for _, s := range d.Sysinfo {
		if s.Type == "smbios" {
			return s
		}
	}
	return sysinfo{}
}

func (s sysinfo) empty() bool { return len(s.System) == 0 && len(s.Chassis) == 0 }

// value is one entry of a table, or "".
func value(table []entry, name string) string {
	for _, e := range table {
		if e.Name == name {
			return strings.TrimSpace(e.Value)
		}
	}
	return ""
}
