package instance

import (
	"slices"
	"strings"
)

// services are first labels that machines use to look for a service in their
// search domains, without any configuration. A guest with such a name could pose
// as that service.
var services = map[string]string{
	"wpad":          "browsers use it to find a proxy (WPAD; CERT VU#598349)",
	"isatap":        "Windows uses it to find an IPv6 router (RFC 5214)",
	"localhost":     "it means the local machine (RFC 6761)",
	"localdomain":   "it means the local machine",
	"broadcasthost": "it means the broadcast address in BSD's hosts file",
	"gateway":       "it names the network's router",
	"metadata":      "guests look for GCE's metadata server there",
	"instance-data": "cloud-init looks for EC2's metadata server there",
	"data-server":   "cloud-init looks for CloudStack's metadata server there",
}

// topLevel are whole names that are domains of long standing, or have a special
// meaning to resolvers (RFC 6761, 6762 and 7686). Newer domains such as dev and
// app, and those of countries, are common names of hosts; a guest that has one
// of them answers for nothing below it.
var topLevel = []string{"com", "edu", "gov", "int", "mil", "net", "org", "arpa", "local", "invalid", "onion"}

// ReservedName says why no guest may have a name in DNS, or is empty. The name
// is one in DNS, such as wpad.example.net, not only a host name.
func ReservedName(name string) string {
	name = strings.ToLower(name)
	first, _, _ := strings.Cut(name, ".")
	if why, ok := services[first]; ok {
		return why
	}
	if slices.Contains(topLevel, name) {
		return "it is a top-level domain"
	}
	return ""
}

// DNSNames are the names that a guest with a host name may have in the DNS of the
// network, with any entry_order, in lower case. A DHCP server that knows the first
// label of a dotted name alone answers for that one, too. Names with a prefix that
// has a dot are the administrator's choice and left out.
func (n Network) DNSNames(hostname string) []string {
	hostname = strings.ToLower(hostname)
	first, _, _ := strings.Cut(hostname, ".")
	bases := []string{hostname, first}
	if !strings.Contains(n.NamePrefix, ".") {
		bases = append(bases, strings.ToLower(n.NamePrefix)+hostname)
	}
	if n.Domain == "" {
		return bases
	}
	domain := "." + strings.ToLower(n.Domain)
	names := append(slices.Clone(bases), strings.TrimSuffix(hostname, domain))
	for _, base := range bases {
		names = append(names, base+domain)
	}
	return names
}

// Below reports whether a host name lies below the network's domain.
func (n Network) Below(hostname string) bool {
	rest, ok := strings.CutSuffix(strings.ToLower(hostname), "."+strings.ToLower(n.Domain))
	return n.Domain != "" && ok && rest != ""
}
