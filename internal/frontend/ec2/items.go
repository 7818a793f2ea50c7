package ec2

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

// publicKeys lists keys as "0=name"; a client then asks for 0/openssh-key. As in
// the Python mdserver a key is found by its name, too.
var publicKeys = &each{names: keyNames, enter: enterKey, entries: []entry{
	{name: "openssh-key", value: func(s *subject) string { return s.key.Key }},
}}

func keyNames(s *subject) []string {
	list := make([]string, len(s.PublicKeys))
	for i := range s.PublicKeys {
		// A slash at its end would make it a directory in cloud-init's eyes.
		list[i] = strconv.Itoa(i) + "=" + strings.TrimRight(s.PublicKeys[i].Name, "/")
	}
	return list
}

// enterKey finds a key by index, or by name; the index wins over a key that
// happens to be named like one.
func enterKey(s *subject, name string) bool {
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i >= len(s.PublicKeys) || strconv.Itoa(i) != name {
		i = -1
		for n := range s.PublicKeys {
			if s.PublicKeys[n].Name == name {
				i = n
				break
			}
		}
	}
	if i < 0 {
		return false
	}
	s.key = &s.PublicKeys[i]
	return true
}

// tags is tags/instance/: those tags of the domain whose names AWS allows in
// instance metadata.
var tags = &each{names: tagNames, enter: enterTag, value: item}

func item(s *subject) string { return s.item }

func tagNames(s *subject) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		if listable(name) {
			list = append(list, name)
		}
	}
	return list
}

func enterTag(s *subject, name string) bool {
	value, ok := s.Tags[name]
	s.item = value
	return ok && listable(name)
}

// maxTag is the length of a tag's name at AWS, in characters.
const maxTag = 128

// listable reports whether a tag may be named in a listing: after AWS only
// letters, digits and + - = . , _ : @ may be in its name, and it may not be
// ".", ".." or "_index". A number before an equals sign would be taken for
// the index of a public key by cloud-init.
func listable(tag string) bool {
	if tag == "" || len(tag) > maxTag || tag == "." || tag == ".." || tag == "_index" {
		return false
	}
	for i := range len(tag) {
		if c := tag[i]; !alphanumeric(c) && !strings.ContainsRune("+-=.,_:@", rune(c)) {
			return false
		}
	}
	before, _, equals := strings.Cut(tag, "=")
	return !equals || strings.Trim(before, "+-_0123456789") != ""
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// blockDevices is block-device-mapping/: ami and root are the first hard
// disk, ebs1 and on are the others. CD-ROM and floppy drives do not count.
var blockDevices = &each{names: deviceNames, enter: enterDevice, value: item}

func deviceNames(s *subject) []string {
	n := 0
	for i := range s.Disks {
		if isHardDisk(&s.Disks[i]) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	list := []string{"ami"}
	for i := 1; i < n; i++ {
		list = append(list, "ebs"+strconv.Itoa(i))
	}
	return append(list, "root")
}

// enterDevice finds the target of a disk. AWS gives root as a path and the
// others as bare names.
func enterDevice(s *subject, name string) bool {
	n, prefix := 0, ""
	switch digits, isVolume := strings.CutPrefix(name, "ebs"); {
	case name == "root":
		prefix = "/dev/"
	case name == "ami":
	case isVolume:
		var err error
		if n, err = strconv.Atoi(digits); err != nil || n < 1 || strconv.Itoa(n) != digits {
			return false
		}
	default:
		return false
	}
	for i := range s.Disks {
		switch disk := &s.Disks[i]; {
		case !isHardDisk(disk):
		case n > 0:
			n--
		default:
			s.item = prefix + disk.Target
			return true
		}
	}
	return false
}

func isHardDisk(d *instance.Disk) bool { return d.Device == "disk" || d.Device == "lun" }
