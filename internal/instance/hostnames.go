package instance

import (
	"slices"
	"strings"
)

// HostNames are a guest's names in the DNS of a network, in the order of
// entry_order: base is the host name itself, prefix has the prefix before it,
// domain (or fqdn) has the domain behind that, unless the host name has it
// already. What needs a prefix or a domain that is not configured is left out.
func HostNames(hostname, prefix, domain string, entryOrder []string) []string {
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(other, name) }) {
			names = append(names, name)
		}
	}
	for _, kind := range entryOrder {
		switch kind = strings.ToLower(strings.TrimSpace(kind)); {
		case strings.HasPrefix(kind, "base"):
			add(hostname)
		case strings.HasPrefix(kind, "prefix") && prefix != "":
			add(prefix + hostname)
		case (kind == "domain" || kind == "fqdn") && domain != "":
			add(prefix + within(hostname, domain) + "." + domain)
		}
	}
	return names
}

// within is a host name without the domain, if it is below that.
func within(hostname, domain string) string {
	at := len(hostname) - len(domain) - 1
	if domain != "" && at > 0 && hostname[at] == '.' && strings.EqualFold(hostname[at+1:], domain) {
		return hostname[:at]
	}
	return hostname
}

// FQDN returns a host name with its domain, once. domain may be empty.
func FQDN(hostname, domain string) string {
	if domain == "" {
		return hostname
	}
	return within(hostname, domain) + "." + domain
}

// DHCPName is the name that a guest gets by DHCP (option 12), which dnsmasq also
// serves by DNS while the guest has a lease. dnsmasq takes one label and adds the
// network's domain. A host name that is not one label, or one label below the
// domain, gives no name: its first label may be another guest's.
func DHCPName(hostname, domain string) string {
	if name := within(hostname, domain); !strings.Contains(name, ".") {
		return name
	}
	return ""
}

// allForms is an entry_order with every name that a guest can have.
var allForms = []string{"base", "prefix", "domain"}

// ConflictingNames are the host names, hostname among them, that share a name with it in
// the DNS of the network: with the prefix lab- these are web and lab-web, since
// web is lab-web there, too. All are in lower case.
func (n Network) ConflictingNames(hostname string) []string {
	prefix, domain := strings.ToLower(n.NamePrefix), strings.ToLower(n.Domain)
	var rivals []string
	add := func(name string) {
		if name != "" && !slices.Contains(rivals, name) {
			rivals = append(rivals, name)
		}
	}
	for _, name := range HostNames(strings.ToLower(hostname), prefix, domain, allForms) {
		short := within(name, domain)
		for _, one := range []string{name, short} {
			add(one)
			add(strings.TrimPrefix(one, prefix))
		}
		if domain != "" && !strings.Contains(short, ".") { // dnsmasq adds the domain
			add(short + "." + domain)
			add(strings.TrimPrefix(short, prefix) + "." + domain)
		}
	}
	return rivals
}
