package instance

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// long is a text of n characters, each of two bytes.
func long(n int) string { return strings.Repeat("ä", n) }

// valid is a domain that can be a guest, whose parts are as large as may be.
func valid() Domain {
	d := Domain{Name: long(MaxName), UUID: testUUID, Hardware: Hardware{Arch: long(MaxName)}}
	d.Interfaces = make([]Interface, MaxDevices)
	d.Disks = make([]Disk, MaxDevices)
	d.Interfaces[1] = Interface{Network: long(MaxName), Bridge: long(MaxName), Target: long(MaxName)}
	d.Disks[1] = Disk{Target: long(MaxName), Bus: long(MaxName), Device: long(MaxName), Serial: long(MaxName)}
	d.Metadata = values(long(MaxName), strings.Repeat("x", MaxValue))
	return d
}

func TestDomainValidate(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Errorf("the largest domain: %v", err)
	}
	tooLong := long(MaxName + 1)
	const has = " has 256 characters, accepted: at most 255"
	for name, tt := range map[string]struct {
		change func(*Domain)
		want   string
	}{
		"no name":         {func(d *Domain) { d.Name = "" }, "the domain has no name"},
		"a long name":     {func(d *Domain) { d.Name = tooLong }, "the domain name" + has},
		"no UUID":         {func(d *Domain) { d.UUID = uuid.Nil }, "it has no UUID"},
		"an architecture": {func(d *Domain) { d.Arch = tooLong }, "the domain's <type arch>" + has},
		"too many interfaces": {func(d *Domain) { d.Interfaces = make([]Interface, MaxDevices+1) },
			"the domain has 1025 interfaces and 1024 disks, accepted: at most 1024 of each"},
		"too many disks": {func(d *Domain) { d.Disks = make([]Disk, MaxDevices+1) },
			"the domain has 1024 interfaces and 1025 disks, accepted: at most 1024 of each"},
		"a network": {func(d *Domain) { d.Interfaces[1].Network = tooLong }, "interface 2: its <source network>" + has},
		"a bridge":  {func(d *Domain) { d.Interfaces[1].Bridge = tooLong }, "interface 2: its <source bridge>" + has},
		"a target":  {func(d *Domain) { d.Interfaces[1].Target = tooLong }, "interface 2: its <target dev>" + has},
		"a disk":    {func(d *Domain) { d.Disks[1].Target = tooLong }, "disk 2: its <target dev>" + has},
		"a bus":     {func(d *Domain) { d.Disks[1].Bus = tooLong }, "disk 2: its <target bus>" + has},
		"a device":  {func(d *Domain) { d.Disks[1].Device = tooLong }, "disk 2: its <disk device>" + has},
		"a serial":  {func(d *Domain) { d.Disks[1].Serial = tooLong }, "disk 2: its <serial>" + has},
		"metadata":  {func(d *Domain) { d.Metadata = values("imds", "no") }, `metadata imds "no" is not a mode, accepted: optional, required, off`},
	} {
		d := valid()
		tt.change(&d)
		if err := d.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// Keys and tags count together, names and values.
func TestSizeOfMetadata(t *testing.T) {
	quarter := strings.Repeat("x", MaxMetadata/4-1)
	full := func() Metadata {
		return Metadata{Values: map[string]string{"a": quarter, "b": quarter}, Tags: map[string]string{"a": quarter, "b": quarter}}
	}
	if err := full().Validate(); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
	for name, tt := range map[string]struct {
		change func(*Metadata)
		want   string
	}{
		"one byte more of a value": {func(m *Metadata) { m.Values["b"] = quarter[1:]; m.Values["c"] = "x" }, "the metadata has 65537 bytes in all, accepted: at most 65536"},
		"one byte more of a name":  {func(m *Metadata) { m.Tags["c"] = "" }, "the metadata has 65537 bytes in all, accepted: at most 65536"},
		"a long value":             {func(m *Metadata) { m.Values = map[string]string{"a": quarter + "xx"} }, `metadata key "a" has a value of 16385 bytes, accepted: at most 16384`},
		"a long tag":               {func(m *Metadata) { m.Tags = map[string]string{"a": quarter + "xx"} }, `metadata tag "a" has a value of 16385 bytes, accepted: at most 16384`},
		"a long key":               {func(m *Metadata) { m.Values[long(MaxName+1)] = "" }, `metadata key "` + long(40) + `"… has 256 characters, accepted: at most 255`},
		"a long name of a tag":     {func(m *Metadata) { m.Tags[long(MaxName+1)] = "" }, `metadata tag "` + long(40) + `"… has 256 characters, accepted: at most 255`},
	} {
		m := full()
		if strings.HasPrefix(name, "a long") {
			m = Metadata{Values: map[string]string{}, Tags: map[string]string{}}
		}
		tt.change(&m)
		if err := m.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}
