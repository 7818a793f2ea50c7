package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func get(path string, makes func(Answer) error) Request {
	return Request{Method: http.MethodGet, Path: path, Makes: makes}
}

func crawl(path string) Request { return Request{Method: http.MethodGet, Path: path, Crawl: true} }

// put asks for a token; ttl is the line with its lifetime.
func put(ttl string, headers ...string) Request {
	return Request{Method: http.MethodPut, Path: "/latest/api/token", TTL: ttl, Headers: headers}
}

// post sends a body that has no type.
func post(path, body string, makes func(Answer) error) Request {
	return Request{Method: http.MethodPost, Path: path, Body: body, Makes: makes}
}

// token is good if it can be a line of a header, and its lifetime is the one
// asked for: Amazon's clients read that as a number.
func token(ttl string) func(Answer) error {
	_, want, _ := strings.Cut(ttl, ": ")
	return func(a Answer) error {
		got := a.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds")
		switch {
		case a.Status != http.StatusOK || a.Body == "":
			return fmt.Errorf("status %d with %q, want a token", a.Status, a.Body)
		case strings.ContainsFunc(a.Body, func(r rune) bool { return r <= ' ' || r > '~' }):
			return fmt.Errorf("the token %q cannot be sent in a header", a.Body)
		case got != want:
			return fmt.Errorf("the token's lifetime is %q, want %s", got, want)
		}
		return nil
	}
}

// refused is the answer to one who shows no token where one is required.
func refused(a Answer) error { return status(a, http.StatusUnauthorized) }

// nothing is how a server says that it has not what is asked for: clients take
// it for absence, and no other answer.
func nothing(a Answer) error { return status(a, http.StatusNotFound) }

func status(a Answer, want int) error {
	if a.Status != want {
		return fmt.Errorf("status %d with %q, want %d", a.Status, a.Body, want)
	}
	return nil
}

// present is any one value or listing that a client can read.
func present(a Answer) error {
	if err := status(a, http.StatusOK); err != nil {
		return err
	}
	if strings.HasSuffix(a.Body, "\n") {
		return fmt.Errorf("%q ends with a line break", a.Body)
	}
	return nil
}

// value is a text as it stands: there is none that clients trim.
func value(want string) func(Answer) error {
	return func(a Answer) error {
		if err := status(a, http.StatusOK); err != nil {
			return err
		}
		if a.Body != want {
			return fmt.Errorf("%q, want %q", a.Body, want)
		}
		if kind, want := a.Header.Get("Content-Type"), "text/plain"; !strings.HasPrefix(kind, want) {
			return fmt.Errorf("type %q, want %s", kind, want)
		}
		return nil
	}
}

// maybe is a value that a guest may lack.
func maybe(want string) func(Answer) error {
	if want == "" {
		return nothing
	}
	return value(want)
}

// list has each name with the same ending.
func list(names []string, ending string) func(Answer) error {
	return value(strings.Join(names, ending+"\n") + ending)
}

// bytes is what must come through as it is, or not be there.
func bytes(want string) func(Answer) error {
	if want == "" {
		return nothing
	}
	return blob(want)
}

// blob is what must come through as it is and be there, if only empty.
func blob(want string) func(Answer) error {
	return func(a Answer) error {
		if a.Status != http.StatusOK || a.Body != want || a.Header.Get("Content-Type") != "application/octet-stream" {
			return fmt.Errorf("status %d, type %q, %q, want %q", a.Status, a.Header.Get("Content-Type"), a.Body, want)
		}
		return nil
	}
}

// keys are the requests for all keys in a directory that is asked for without
// its slash. Clients part a line of the listing at its one equals sign.
func keys(g Guest, dir string) []Request {
	if len(g.Keys) == 0 {
		return []Request{get(dir, nothing)}
	}
	list := []Request{get(dir, func(a Answer) error {
		got := strings.Split(a.Body, "\n")
		if len(got) != len(g.Keys) {
			return fmt.Errorf("%d keys in %q, want %d", len(got), a.Body, len(g.Keys))
		}
		for i, line := range got {
			if parts := strings.Split(line, "="); len(parts) != 2 || parts[0] != strconv.Itoa(i) {
				return fmt.Errorf("the line %q, want a number and a name", line)
			}
		}
		return status(a, http.StatusOK)
	})}
	for i, key := range g.Keys {
		list = append(list, get(fmt.Sprintf("%s/%d/openssh-key", dir, i), value(key.Text)))
	}
	return list
}

// firstKey is what a client gets that knows of one key only.
func (g Guest) firstKey() string {
	if len(g.Keys) == 0 {
		return ""
	}
	return g.Keys[0].Text
}

// fields are those of a JSON object that a client insists on.
func fields(want map[string]string) func(Answer) error {
	return func(a Answer) error {
		var doc map[string]any
		if err := decode(a, &doc); err != nil {
			return err
		}
		for name, text := range want {
			if doc[name] != text {
				return fmt.Errorf("%s is %v, want %q", name, doc[name], text)
			}
		}
		return nil
	}
}

func decode(a Answer, doc any) error {
	if err := status(a, http.StatusOK); err != nil {
		return err
	}
	return json.Unmarshal([]byte(a.Body), doc)
}

// document is the identity document, for its region and zone.
func document(g Guest) func(Answer) error {
	return fields(map[string]string{"region": g.Region, "availabilityZone": g.Zone, "instanceId": g.ID})
}

// novaMetadata is meta_data.json; keys are there as an object, as a list, or
// not at all.
func novaMetadata(g Guest) func(Answer) error {
	return func(a Answer) error {
		var doc struct {
			UUID, Hostname string
			PublicKeys     map[string]string `json:"public_keys"`
			Keys           []struct{ Type, Data string }
		}
		if err := decode(a, &doc); err != nil {
			return err
		}
		if doc.UUID != g.UUID || doc.Hostname != g.Name || len(doc.Keys) != len(g.Keys) {
			return fmt.Errorf("%s, want uuid %s, hostname %s and %d keys", a.Body, g.UUID, g.Name, len(g.Keys))
		}
		for i, key := range g.Keys {
			if doc.PublicKeys[key.Name] != key.Text || doc.Keys[i].Type != "ssh" || doc.Keys[i].Data != key.Text {
				return fmt.Errorf("the key %s is not in %s", key.Name, a.Body)
			}
		}
		return nil
	}
}

// novaNetwork is network_data.json, of which clients take the links by their
// MAC addresses, and one address, mask and default gateway for each network.
func novaNetwork(g Guest) func(Answer) error {
	return func(a Answer) error {
		var doc struct {
			Links []struct {
				ID, Type string
				MAC      string `json:"ethernet_mac_address"`
			}
			Networks []struct {
				Type, Link, Netmask string
				Address             string `json:"ip_address"`
				Routes              []struct{ Network, Netmask, Gateway string }
			}
		}
		if err := decode(a, &doc); err != nil {
			return err
		}
		macs := map[string]string{}
		for _, link := range doc.Links {
			macs[link.ID] = link.MAC
		}
		var got, want []string
		for _, n := range doc.Networks {
			gateway := "none"
			for _, route := range n.Routes {
				if maskBits(route.Netmask) == 0 {
					gateway = route.Gateway
				}
			}
			if n.Type == "ipv6" {
				gateway = "any"
			}
			got = append(got, fmt.Sprintf("%s %s/%d by %s", macs[n.Link], n.Address, maskBits(n.Netmask), gateway))
		}
		for _, nic := range g.NICs {
			gateway := "none"
			if nic.Gateway.IsValid() {
				gateway = nic.Gateway.String()
			}
			want = append(want, fmt.Sprintf("%s %s by %s", nic.MAC, nic.IPv4, gateway))
			if nic.IPv6.IsValid() {
				want = append(want, fmt.Sprintf("%s %s by any", nic.MAC, nic.IPv6))
			}
		}
		return same(got, want)
	}
}

// maskBits is the length of a netmask such as 255.255.0.0, or -1 for what is none.
func maskBits(mask string) int {
	addr, err := netip.ParseAddr(mask)
	if err != nil {
		return -1
	}
	var digits strings.Builder
	for _, b := range addr.AsSlice() {
		fmt.Fprintf(&digits, "%08b", b)
	}
	ones := strings.TrimRight(digits.String(), "0")
	if strings.Contains(ones, "0") {
		return -1
	}
	return len(ones)
}

// seed is NoCloud's meta-data. Clients read the name by one key or the other.
func seed(g Guest) func(Answer) error {
	return func(a Answer) error {
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(a.Body), &doc); err != nil {
			return err
		}
		if doc["instance-id"] != g.ID || doc["local-hostname"] != g.Name || doc["hostname"] != g.Name {
			return fmt.Errorf("%s, want %s and %s", a.Body, g.ID, g.Name)
		}
		return status(a, http.StatusOK)
	}
}

// netplan is NoCloud's network-config.
func netplan(g Guest) func(Answer) error {
	return func(a Answer) error {
		var doc struct {
			Version   int
			Ethernets map[string]struct {
				Match     struct{ MACAddress string }
				Addresses []string
			}
		}
		if err := yaml.Unmarshal([]byte(a.Body), &doc); err != nil || doc.Version != 2 {
			return errors.Join(fmt.Errorf("version %d, want 2", doc.Version), err)
		}
		var got, want []string
		for _, e := range doc.Ethernets {
			for _, addr := range e.Addresses {
				got = append(got, e.Match.MACAddress+" "+addr)
			}
		}
		for _, nic := range g.NICs {
			want = append(want, nic.MAC+" "+nic.IPv4.String())
			if nic.IPv6.IsValid() {
				want = append(want, nic.MAC+" "+nic.IPv6.String())
			}
		}
		return errors.Join(status(a, http.StatusOK), same(got, want))
	}
}

func same(got, want []string) error {
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("addresses %q, want %q", got, want)
	}
	return nil
}
