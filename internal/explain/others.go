package explain

import (
	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// onOthers tells what guests and domains of other hosts have to do with the guest.
func (s Subject) onOthers() []api.Missing {
	var list []api.Missing
	if s.RunsOn != "" {
		list = append(list, lacks("runs_on_two_hosts", "it runs here and on the host %s, which has it and serves it alone; stop it on one of them", s.RunsOn))
	}
	wanted := s.Guest.Wanted
	if other, ok := s.Snapshot.ByName(wanted.Name); ok && wanted.Name != "" {
		list = append(list, lacks("name_taken", "its domain's name is %q, which another guest has, on %s; rename one of the domains", wanted.Name, hostOf(other)))
	} else if wanted.Name != "" {
		list = append(list, lacks("name_taken", "its domain's name is %q, which another guest had; it gets the name with its next start", wanted.Name))
	}
	if other := s.named(wanted.Hostname); other != nil {
		list = append(list, lacks("hostname_taken", "its host name is %q instead of %q, which the guest %q has, on %s; rename one of the domains, or set a host name in the metadata of one",
			s.Guest.Hostname, wanted.Hostname, other.Name, hostOf(other)))
	}
	return list
}

// named is the other guest that has a host name, or one that means the same in DNS; or nil.
func (s Subject) named(hostname string) *instance.Instance {
	if hostname == "" {
		return nil
	}
	rivals := []string{hostname}
	for _, n := range s.Networks {
		rivals = append(rivals, n.ConflictingNames(hostname)...)
	}
	for _, name := range rivals {
		if other, ok := s.Snapshot.ByHostname(name); ok && other.UUID != s.Guest.UUID {
			return other
		}
	}
	return nil
}

func hostOf(guest *instance.Instance) string {
	if guest.Host == "" {
		return "no host"
	}
	return "the host " + guest.Host
}
