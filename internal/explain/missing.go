package explain

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/timeline"
	"mdserver/internal/visible"
)

// missing lists what keeps the guest from coming up, or would at its next start.
func (s Subject) missing() []api.Missing {
	list := []api.Missing{}
	add := func(missing bool, code, format string, args ...any) {
		if missing {
			list = append(list, lacks(code, format, args...))
		}
	}
	g := s.Guest
	if r := s.Refusal; r != nil {
		add(true, "definition_refused", "its current definition is %s, so it is served as before: %s", r.State, r.Reason)
	}
	addressless := !g.IPv4.IsValid() && !g.IPv6.IsValid()
	add(addressless && !g.Unshared, "no_address", "it has no address: no served network has a free one")
	add(addressless && g.Unshared, "no_address", "it has no address: this host had none for it that it could give without etcd; it gets one when etcd answers")
	add(g.Unshared, "not_shared", "the other hosts do not have its record yet, because etcd did not answer; `mdserver status` shows whether it does now")
	list = append(list, s.onOthers()...)
	add(len(s.Keys) == 0, "no_ssh_key", "no SSH key is configured in [public-keys]")
	add(s.Template.Error != "", "user_data_failed", "its user-data fails: %s", s.Template.Error)
	_, hooked := g.Seen[instance.ByHook]
	add(!hooked, "hook_did_not_report", "libvirt's hook has not reported it; `mdserver doctor` checks the hook")

	list = append(list, s.detached()...)
	since := s.Started.Format(time.DateTime)
	if devices := s.withoutDriver(); len(devices) > 0 && len(s.Requests.Kinds) == 0 {
		add(true, "driver_missing", "it has devices without a driver in the kernels of many cloud images: %s; `mdserver doctor` shows how to change them", strings.Join(devices, ", "))
	}
	add(s.Hears && s.DHCP == nil && !s.Found, "no_dhcp", "no DHCP messages since the server started, %s: does the guest run, and does its interface have a link?", since)
	add(s.DHCP != nil && s.DHCP.Message != "DHCPACK", "dhcp_incomplete", "it got no address by DHCP: the last message was %s", s.last())
	if when, ok := s.declined(); ok {
		add(true, "dhcp_declined", "a DHCPDECLINE with its MAC address arrived at %s: its DHCP client found another machine that uses its address, or a neighbour forged the "+
			"message. The guest keeps its address; `ip neigh show %s` on a neighbour shows which machine uses it", when.Local().Format(time.DateTime), g.IPv4)
	}
	asked := s.asked(timeline.Metadata())
	if s.Found && !asked {
		list = append(list, s.startedBefore()...)
	}
	add(len(s.Requests.Kinds) == 0 && !s.Found, "no_requests", "no requests since the server started, %s: does the guest run, and does its image find a datasource?", since)
	add(len(s.Requests.Kinds) > 0 && !asked, "no_metadata_requests", "requests, but none for metadata, since %s", since)
	add(asked && !s.asked(timeline.Userdata()), "no_user_data_request", "it has read its metadata, but not its user-data, since %s", since)
	list = append(list, s.claimed()...)
	for _, r := range s.refused() {
		add(true, "request_failed", "%s %s was answered with %d %s", visible.String(r.Method), visible.String(r.Path), r.Status, http.StatusText(r.Status))
	}
	return list
}

// withoutDriver names the disks, and the cards on served networks, that cloud
// kernels do not know.
func (s Subject) withoutDriver() []string {
	var cards []instance.Interface
	for _, nic := range s.Guest.Interfaces {
		served := func(a instance.Attachment) bool { return a.MAC == nic.MAC }
		if slices.ContainsFunc(s.Guest.Attachments(), served) {
			cards = append(cards, nic)
		}
	}
	return instance.DevicesWithoutDriver(cards, s.Guest.Disks)
}

// lacks is one thing that is missing. Its code stays the same when the text changes.
func lacks(code, format string, args ...any) api.Missing {
	return api.Missing{Code: code, Text: fmt.Sprintf(format, args...)}
}

// texts are those of a list.
func texts(list []api.Missing) []string {
	all := []string{}
	for _, m := range list {
		all = append(all, m.Text)
	}
	return all
}

// declineMatters is how long a DHCPDECLINE may tell why a guest has no address.
const declineMatters = time.Hour

// declined is when the guest's address was last declined, if that was lately.
func (s Subject) declined() (time.Time, bool) {
	if s.DHCP == nil || s.DHCP.Declined == nil || time.Since(*s.DHCP.Declined) > declineMatters {
		return time.Time{}, false
	}
	return *s.DHCP.Declined, true
}

// last is the last DHCP message, if there was one.
func (s Subject) last() string {
	if s.DHCP == nil {
		return ""
	}
	return s.DHCP.Message + " at " + s.DHCP.At.Format(time.DateTime)
}

func (s Subject) asked(kinds []string) bool {
	return slices.ContainsFunc(s.Requests.Kinds, func(k api.RequestKind) bool { return slices.Contains(kinds, k.Name) })
}

// refused are the recent requests that failed, each path once.
func (s Subject) refused() []api.Request {
	var list []api.Request
	for _, r := range s.Requests.Recent {
		same := func(other api.Request) bool { return other.Path == r.Path && other.Status == r.Status }
		if r.Status >= http.StatusBadRequest && !slices.ContainsFunc(list, same) {
			list = append(list, r)
		}
	}
	return list
}
