package instance

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of what a domain may bring. They are far beyond those of libvirt's
// domains, and keep each record small.
const (
	// MaxValue is the length of one value of the metadata, in bytes: as much
	// as EC2 allows for all of a guest's user-data.
	MaxValue = 16 << 10
	// MaxMetadata is the size of all metadata together, in bytes.
	MaxMetadata = 64 << 10
	// MaxDevices is how many interfaces or disks a domain may have.
	MaxDevices = 1024
)

// Validate refuses a domain that cannot be a guest. It checks what does not
// depend on the networks. Its errors name the part of the definition that is
// wrong and what is accepted.
func (d Domain) Validate() error {
	if err := ValidateName(d.Name); err != nil {
		return err
	}
	if d.UUID == uuid.Nil {
		return errors.New("it has no UUID")
	}
	if err := d.validateDevices(); err != nil {
		return err
	}
	return d.Metadata.Validate()
}

func (d Domain) validateDevices() error {
	if len(d.Interfaces) > MaxDevices || len(d.Disks) > MaxDevices {
		return fmt.Errorf("the domain has %d interfaces and %d disks, accepted: at most %d of each", len(d.Interfaces), len(d.Disks), MaxDevices)
	}
	if err := shortName("the domain's <type arch>", d.Arch); err != nil {
		return err
	}
	for i, nic := range d.Interfaces {
		for what, name := range map[string]string{"source network": nic.Network, "source bridge": nic.Bridge, "target dev": nic.Target} {
			if err := shortName(fmt.Sprintf("interface %d: its <%s>", i+1, what), name); err != nil {
				return err
			}
		}
	}
	for i, disk := range d.Disks {
		for what, name := range map[string]string{"target dev": disk.Target, "target bus": disk.Bus, "disk device": disk.Device, "serial": disk.Serial} {
			if err := shortName(fmt.Sprintf("disk %d: its <%s>", i+1, what), name); err != nil {
				return err
			}
		}
	}
	return nil
}

func shortName(what, name string) error {
	if n := utf8.RuneCountInString(name); n > MaxName {
		return fmt.Errorf("%s has %d characters, accepted: at most %d", what, n, MaxName)
	}
	return nil
}

// validateSize bounds the metadata of one guest.
func (m Metadata) validateSize() error {
	total := 0
	for kind, values := range map[string]map[string]string{"key": m.Values, "tag": m.Tags} {
		for key, value := range values {
			if n := utf8.RuneCountInString(key); n > MaxName {
				return fmt.Errorf("metadata %s %.40q… has %d characters, accepted: at most %d", kind, key, n, MaxName)
			}
			if len(value) > MaxValue {
				return fmt.Errorf("metadata %s %q has a value of %d bytes, accepted: at most %d", kind, key, len(value), MaxValue)
			}
			total += len(key) + len(value)
		}
	}
	if total > MaxMetadata {
		return fmt.Errorf("the metadata has %d bytes in all, accepted: at most %d", total, MaxMetadata)
	}
	return nil
}
