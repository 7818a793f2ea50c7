package instance

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// The keys of domain metadata that mdserver itself understands. All others
// are free and reach the guest's template unchanged.
const (
	KeyUserdataPrefix = "userdata_prefix"
	KeyUserdataParts  = "userdata_parts"
	KeyHostname       = "hostname"
	KeyIPv4           = "ipv4"
	KeyIPv6           = "ipv6"
	KeyTags           = "tags"
	KeyIMDS           = "imds"
	KeyIMDSExempt     = "imds_exempt"
	KeyInstanceType   = "instance_type"
	KeyImageID        = "ami_id"

	KeyPortSecurity     = "port_security"
	KeyAllowedAddresses = "allowed_addresses"
)

// Metadata is what the administrator wrote for a guest into its domain
// definition, in the namespace urn:md_server:domain_metadata.
type Metadata struct {
	Values map[string]string `json:"values,omitempty"` // all keys but tags
	Tags   map[string]string `json:"tags,omitempty"`
	// Warnings say what in the definition is probably not what was meant.
	Warnings []string `json:"warnings,omitempty"`
}

// understood are the keys that mdserver itself understands.
var understood = []string{
	KeyUserdataPrefix, KeyUserdataParts, KeyHostname, KeyIPv4, KeyIPv6, KeyTags, KeyIMDS, KeyIMDSExempt,
	KeyInstanceType, KeyImageID, KeyPortSecurity, KeyAllowedAddresses, KeySSHUser,
}

// Free returns the values of those keys that mdserver itself does not understand.
func Free(values map[string]string) map[string]string {
	free := map[string]string{}
	for key, value := range values {
		if !slices.Contains(understood, key) {
			free[key] = value
		}
	}
	return free
}

// UserdataPrefix is the name of the template that the guest insists on, if it
// does. An empty one is none.
func (m Metadata) UserdataPrefix() (string, bool) {
	v := m.Values[KeyUserdataPrefix]
	return v, v != ""
}

// UserdataParts are the names of the templates that make up the guest's
// user-data together, in their order; none if it does not ask for parts.
func (m Metadata) UserdataParts() []string {
	return SplitList(m.Values[KeyUserdataParts])
}

// SplitList reads "a, b, c".
func SplitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// Hostname is the host name that the guest asks for, or empty.
func (m Metadata) Hostname() string { return m.Values[KeyHostname] }

// IPv4 is the IPv4 address that the guest asks for, or the zero Addr.
func (m Metadata) IPv4() netip.Addr { return m.addr(KeyIPv4) }

// IPv6 is the IPv6 address that the guest asks for, or the zero Addr.
func (m Metadata) IPv6() netip.Addr { return m.addr(KeyIPv6) }

func (m Metadata) addr(key string) netip.Addr {
	addr, err := netip.ParseAddr(m.Values[key])
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// Validate bounds the metadata, and checks the values of the keys that mdserver
// acts on.
func (m Metadata) Validate() error {
	if err := m.validateSize(); err != nil {
		return err
	}
	if name, ok := m.Values[KeyHostname]; ok && !ValidHostname(name) {
		return fmt.Errorf("metadata hostname %q is not a host name, accepted: letters, digits and hyphens, at most 63 characters between dots and 64 in all, and not a number or localhost", name)
	}
	if v, ok := m.Values[KeyIPv4]; ok && !m.IPv4().Is4() {
		return fmt.Errorf("metadata ipv4 %q is not an IPv4 address", v)
	}
	if v, ok := m.Values[KeyIPv6]; ok {
		if addr := m.IPv6(); !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
			return fmt.Errorf("metadata ipv6 %q is not an IPv6 address", v)
		}
	}
	if v, ok := m.Values[KeyIMDS]; ok && !IMDSMode(v).valid() {
		return fmt.Errorf("metadata imds %q is not a mode, accepted: optional, required, off", v)
	}
	if v, ok := m.Values[KeyIMDSExempt]; ok {
		if _, err := ParseIMDSFrontends(v); err != nil {
			return fmt.Errorf("metadata imds_exempt %q: %w, accepted: %s", v, err, strings.Join(IMDSFrontends, ", "))
		}
	}
	return m.validatePortSecurity()
}

// IMDSMode says what a guest must do to read its metadata.
type IMDSMode string

// The modes: with or without a token, with a token, or no tokens at all.
const (
	IMDSOptional IMDSMode = "optional"
	IMDSRequired IMDSMode = "required"
	IMDSOff      IMDSMode = "off"
)

func (m IMDSMode) valid() bool { return m == IMDSOptional || m == IMDSRequired || m == IMDSOff }

// IMDS is the mode that the administrator chose for this guest alone, if any.
func (m Metadata) IMDS() (IMDSMode, bool) {
	mode := IMDSMode(m.Values[KeyIMDS])
	return mode, mode.valid()
}

// IMDSFrontends are those that can be served without a token where one is required:
// their clients know of no tokens.
var IMDSFrontends = []string{"openstack", "nocloud"}

// ParseIMDSFrontends reads a list of some of IMDSFrontends.
func ParseIMDSFrontends(text string) ([]string, error) {
	frontends := SplitList(text)
	for _, frontend := range frontends {
		if !slices.Contains(IMDSFrontends, frontend) {
			return nil, fmt.Errorf("%q is not served without a token", frontend)
		}
	}
	return frontends, nil
}

// IMDSExempt are the frontends that the administrator exempts from tokens for this
// guest alone, if its metadata says anything of it.
func (m Metadata) IMDSExempt() (frontends []string, ok bool) {
	text, ok := m.Values[KeyIMDSExempt]
	frontends, err := ParseIMDSFrontends(text)
	return frontends, ok && err == nil
}

// Flat gives all metadata as one map of text, the form in which the Python
// mdserver keeps it: tags become a comma separated list of name=value.
func (m Metadata) Flat() map[string]string {
	flat := maps.Clone(m.Values)
	if flat == nil {
		flat = map[string]string{}
	}
	if len(m.Tags) > 0 {
		flat[KeyTags] = formatTags(m.Tags)
	}
	return flat
}

// MetadataFromFlat is the reverse of Flat.
func MetadataFromFlat(flat map[string]string) Metadata {
	m := Metadata{}
	for key, value := range flat {
		if key == KeyTags {
			m.Tags = ParseTags(value)
			continue
		}
		if m.Values == nil {
			m.Values = map[string]string{}
		}
		m.Values[key] = value
	}
	return m
}

// ParseTags reads "name=value, other=…, bare"; a bare name has an empty value.
func ParseTags(text string) map[string]string {
	tags := map[string]string{}
	for item := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(item, "=")
		if name = strings.TrimSpace(name); name != "" {
			tags[name] = strings.TrimSpace(value)
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// formatTags writes tags in the form that ParseTags reads, sorted by name.
func formatTags(tags map[string]string) string {
	var items []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if tags[name] == "" {
			items = append(items, name)
			continue
		}
		items = append(items, name+"="+tags[name])
	}
	return strings.Join(items, ",")
}
