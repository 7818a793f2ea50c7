package smbios

import (
	"strings"

	"github.com/google/uuid"
)

// Reading is what some releases of cloud-init take a domain for.
type Reading struct {
	Since      string     `json:"since,omitempty"` // the first of them; "" stands for all older ones
	Datasource Datasource `json:"face"`
}

// byUUID is the first release that takes a machine for AWS by its UUID alone.
// Older ones want the same serial number.
const byUUID = "24.2"

// Readings tells what each release of cloud-init takes a domain for, oldest
// first: one entry if all agree, else two. Datasource is the first of them.
//
// AWS goes before OpenStack and before clones of EC2, NoCloud before AWS: that
// is the order of ds-identify's list and of DataSourceEc2's checks. Releases
// from 22.4.2 to 26.2 were read.
func (d Domain) Readings() []Reading {
	datasource, _ := d.Datasource()
	readings := []Reading{{Datasource: datasource}}
	if d.HasSMBIOS() && d.amazonUUID() != "" && datasource != EC2 && !datasource.isNoCloud() {
		readings = append(readings, Reading{Since: byUUID, Datasource: EC2})
	}
	return readings
}

// amazonUUID tells by what the UUID is one of AWS's, or "". AWS shows some
// machines the first four bytes of a UUID in reverse order, so one random UUID
// in 4096 looks like theirs.
func (d Domain) amazonUUID() string {
	switch id, err := uuid.Parse(d.UUID); {
	case d.mayBeAWS():
		return "begins with ec2"
	case err == nil && id[3] == 0xec && id[2]>>4 == 2:
		return "begins with ec2 if its first four bytes are read backwards"
	}
	return ""
}

// seed is the NoCloud seed that the hardware or the kernel's command line names.
func (d Domain) seed() string {
	for _, text := range []string{d.Cmdline, value(d.tables().System, "serial")} {
		if _, seed, found := strings.Cut(text, seedPrefix); found {
			seed, _, _ = strings.Cut(seed, " ")
			return seedPrefix + seed
		}
	}
	return ""
}

// Readers tells, a sentence each, where releases of cloud-init differ in what
// they make of a domain.
func (d Domain) Readers() []string {
	var texts []string
	datasource, _ := d.Datasource()
	if seed := d.seed(); datasource == NoCloud && strings.Contains(seed, "=http") && !strings.Contains(seed, netMode) {
		texts = append(texts, "cloud-init before 23.2 ignores the seed, because it lacks "+netMode+".")
	}
	for _, r := range d.Readings()[1:] {
		texts = append(texts, "cloud-init from "+r.Since+" on detects "+r.Datasource.Title()+", because its UUID "+d.amazonUUID()+".")
	}
	return texts
}
