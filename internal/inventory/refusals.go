package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/refusal"
	"mdserver/internal/shell"
)

// Refusals are the domains that are no guests, and why. Register, Observe and
// Refuse note them; what is registered or missed is forgotten.
func (inv *Inventory) Refusals() *refusal.Log { return &inv.refusals }

// judged notes what became of a domain that was to be registered, and returns
// the error that it is given. An inventory that cannot write says nothing about
// the domain.
func (inv *Inventory) judged(dom instance.Domain, err error) error {
	if err == nil {
		inv.refusals.Clear(dom.UUID)
		return nil
	}
	r := api.Refusal{Name: dom.Name, UUID: dom.UUID, MACs: macs(dom), State: api.Refused, Source: cmp.Or(dom.Source, instance.ByLibvirt)}
	conflict, conflicts := errors.AsType[*denied.ConflictError](err)
	request, wrong := errors.AsType[*denied.RequestError](err)
	switch {
	case conflicts:
		r.Reason = fmt.Sprintf("%v: %s belongs to guest %q", conflict.Kind, conflict.Value, conflict.Holder)
		if conflict.Hint != "" {
			r.Advice = []string{conflict.Hint}
		}
	case wrong:
		r.Reason = fmt.Sprintf("%v: %s", request.Kind, request.Reason)
		r.Advice = advice(inv.rules.Load(), dom, request)
		if errors.Is(err, denied.ErrNoInterface) {
			r.State = api.Unserved
		}
	default:
		return err
	}
	inv.Refuse(r)
	return err
}

// Refuse notes that a domain is no guest, or not as it is defined now. What
// another user of this host uploads says nothing about a guest.
func (inv *Inventory) Refuse(r api.Refusal) {
	if r.Source != instance.ByLocal || !inv.knows(r.UUID) {
		inv.refusals.Note(r)
	}
}

// mostMACs bounds what is remembered of one domain.
const mostMACs = 16

func macs(dom instance.Domain) []instance.MAC {
	var list []instance.MAC
	for _, nic := range dom.Interfaces[:min(len(dom.Interfaces), mostMACs)] {
		list = append(list, nic.MAC)
	}
	return list
}

// advice tells how a domain can become a guest that is wrong in itself.
func advice(r *rules.Rules, dom instance.Domain, err *denied.RequestError) []string {
	switch {
	case errors.Is(err, denied.ErrNoInterface):
		return servingAdvice(r, dom)
	case errors.Is(err, denied.ErrAddressOutside):
		return []string{"change the address in the domain's <metadata>, or remove it to get an automatic one"}
	}
	return nil
}

// servingAdvice tells how a domain gets onto a network that is served: by
// another interface, or because its network is served as well.
func servingAdvice(r *rules.Rules, dom instance.Domain) []string {
	var advice []string
	if len(r.Networks) > 0 {
		advice = append(advice, fmt.Sprintf("give it an interface on a served network: virsh attach-interface %s network %s --model virtio --config",
			shell.Quote(dom.Name), shell.Quote(r.Networks[0].Name)))
	}
	var places []string
	for _, nic := range dom.Interfaces {
		section := ""
		switch {
		case nic.Network != "":
			section = fmt.Sprintf("serve the network %q: add the section [network %s] with the line \"backend = libvirt\" to the configuration, and reload mdserver", nic.Network, nic.Network)
		case nic.Bridge != "":
			section = fmt.Sprintf("serve the bridge %q: add a section [network NAME] with \"interface = %s\", net_address and net_prefix to the configuration, and reload mdserver", nic.Bridge, nic.Bridge)
		}
		if section != "" && !slices.Contains(places, section) && len(places) < mostMACs {
			places = append(places, section)
		}
	}
	return append(advice, places...)
}

func (inv *Inventory) knows(id uuid.UUID) bool {
	_, ok := inv.Snapshot().ByUUID(id)
	return ok
}
