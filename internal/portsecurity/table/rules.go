package table

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"mdserver/internal/portsecurity/plan"
)

// The table's chains and rules, which depend on no guest. A frame that comes in
// by a port of a protected bridge goes to the chain of the port's role. All other
// frames pay for the lookups in "prerouting" only. What is for this host itself
// then passes the chain "input". A chain that ends without a verdict accepts, so
// those of guests end in a drop.
//
// What cannot be read is no match in nftables. So rules that accept name what they
// have read, and what is left is dropped: a packet whose transport header lies
// behind broken or cut-off headers is not taken for a harmless one.

// ruleset are the rules of each chain.
type ruleset []chain

// chain begins at a hook of the kernel if it has one, else where a rule goes to it.
type chain struct {
	name  string
	hook  *nftables.ChainHook
	rules []rule
}

// rule is what must match, and what is done then.
type rule []expr.Any

// rules gives all of them.
func rules() ruleset {
	all := ruleset{{"prerouting", nftables.ChainHookPrerouting, []rule{
		// Nearly all frames are TCP or UDP from a guest's own address: one lookup. It
		// asks by the number of the interface, which is shorter than the name. A port
		// whose number is not known yet goes the way below.
		verdictOf(setFast4, iif, sourceType, ip4Protocol, ip4Source),
		verdictOf(setFast6, iif, sourceType, ip6Next, ip6Source),
		verdictOf(setPorts, iifname),
	}}, {"input", nftables.ChainHookInput, []rule{
		// Many half-open connections make the kernel answer by SYN cookies, and then it
		// does not tell who opened a connection.
		// No TCP needs fragments, which may hide the flags.
		match(is(protocol, etherIPv4), fragment4(), is(ip4Protocol, protoTCP), in(setLimited, iifname), goTo(KindForm.chain())),
		match(is(protocol, etherIPv6), fragment6(), is(transport, protoTCP), in(setLimited, iifname), goTo(KindForm.chain())),
		match(is(transport, protoTCP), isSYN(), in(setLimited, iifname), tooMany(setSYNs, iif, connections), goTo(KindSYN.chain())),
	}}}
	all = append(all, guestChains()...)
	all = append(all, guest4Chains()...)
	all = append(all, guest6Chains()...)
	all = append(all, limits{chain: string(plan.Stranger), set4: setHeld4, set6: setHeld6, macs: setHeldMACs, noServer: true}.chains()...)
	all = append(all, limits{chain: string(plan.Other), set4: setHost4, set6: setHost6}.chains()...)
	all = append(all, limits{chain: string(plan.Uplink), set4: setHost4, set6: setHost6, to4: setMetadata4, to6: setMetadata6}.chains()...)
	for _, kind := range Kinds() {
		all = append(all, chain{name: kind.chain(), rules: []rule{
			match(in(kind.set(), iifname), drop), // counts
			{drop},
		}})
	}
	return all
}

// guestChains tell the protocols apart.
func guestChains() []chain {
	return []chain{
		{name: "guest", rules: []rule{
			match(is(etherType, etherIPv4), goTo("guest_ip4")),
			match(is(etherType, etherIPv6), goTo("guest_ip6")),
			match(is(etherType, etherARP), goTo("guest_arp")),
			// QEMU announces a guest that was migrated by RARP.
			match(is(etherType, etherRARP), goTo("guest_rarp")),
			match(is(etherType, etherLLDP), control(), drop), // not counted: honest guests send it
			{goTo(KindType.chain())},
		}},
		{name: "guest_arp", rules: []rule{
			match(is(arpHead, "\x00\x01\x08\x00\x06\x04"), above(arpOperation, 2), goTo(KindARP.chain())),
			match(isNot(arpHead, "\x00\x01\x08\x00\x06\x04"), goTo(KindARP.chain())),
			match(notIn(setMACs, iifname, etherSource), goTo(KindMAC.chain())),
			match(notIn(setMACs, iifname, arpSenderMAC), goTo(KindARP.chain())),
			match(in(setOwn4, iifname, etherSource, arpSender), accept),
			match(is(arpSender, zero4), goTo("guest_arp_probe")),
			match(in(setReserved4, arpSender), goTo(KindARP.chain())),
			match(in(setAllowed4, iifname, arpSender), accept),
			{goTo(KindARP.chain())},
		}},
		// RFC 5227: a probe asks for an address that the sender is about to use.
		// Two that probe for one address both give it up.
		{name: "guest_arp_probe", rules: []rule{
			match(in(setOwn4, iifname, etherSource, arpTarget), accept),
			match(in(setReserved4, arpTarget), goTo(KindARP.chain())),
			match(in(setAllowed4, iifname, arpTarget), accept),
			{goTo(KindARP.chain())},
		}},
		{name: "guest_rarp", rules: []rule{
			match(is(arpHead, "\x00\x01\x08\x00\x06\x04"), is(arpOperation, "\x00\x03"),
				in(setMACs, iifname, etherSource), in(setMACs, iifname, arpSenderMAC), accept),
			{goTo(KindARP.chain())},
		}},
		{name: "guest_dhcp", rules: []rule{
			match(above(udpSource, 67), is(dhcpHead, "\x01\x01\x06"), in(setMACs, iifname, dhcpClientMAC), accept),
			{goTo(KindDHCP.chain())},
		}},
	}
}

func guest4Chains() []chain {
	return []chain{
		{name: "guest_ip4", rules: []rule{
			match(in(setOwn4, iifname, etherSource, ip4Source), goTo("guest_ip4_sent")),
			match(notIn(setMACs, iifname, etherSource), goTo(KindMAC.chain())),
			match(is(ip4Source, zero4), goTo("guest_ip4_start")),
			match(in(setReserved4, ip4Source), goTo(KindIPv4.chain())),
			match(in(setAllowed4, iifname, ip4Source), goTo("guest_ip4_sent")),
			{goTo(KindIPv4.chain())},
		}},
		// Without an address a guest asks for one, and reports the groups that it
		// listens to (RFC 3376, section 4.2.13).
		{name: "guest_ip4_start", rules: []rule{
			match(is(transport, protoUDP), is(udpSource, port(68)), is(udpTarget, port(67)), goTo("guest_dhcp")),
			match(is(transport, protoIGMP), goTo("guest_igmp")),
			{goTo(KindIPv4.chain())},
		}},
		// DHCP's servers answer to port 68, and relays to port 67: packets to ports
		// above 255 are neither's, regardless of their source port (RFC 2131, section
		// 4.1).
		{name: "fast_udp4", rules: []rule{
			match(isNot(udpTargetHigh, "\x00"), accept),
			{goTo("guest_ip4_sent")},
		}},
		{name: "guest_ip4_sent", rules: []rule{
			match(is(ip4Protocol, protoTCP), accept),
			match(is(transport, protoUDP), goTo("guest_udp4")),
			match(is(transport, protoICMP), goTo("guest_icmp4")),
			match(is(transport, protoIGMP), goTo("guest_igmp")),
			match(is(transport, protoPIM), goTo(KindICMP.chain())),
			match(isNot(transport, protoUDP), accept),
			{goTo(KindForm.chain())},
		}},
		{name: "guest_udp4", rules: []rule{
			match(laterFragment4(), accept),
			match(is(udpTarget, port(67)), goTo("guest_dhcp")),
			match(is(udpTarget, port(68)), goTo(KindDHCP.chain())),
			match(is(udpSource, port(67)), goTo(KindDHCP.chain())),
			match(isNot(udpSource, port(67)), accept),
			{goTo(KindForm.chain())},
		}},
		{name: "guest_icmp4", rules: []rule{
			match(laterFragment4(), accept),
			match(is(icmpType, "\x05"), goTo(KindICMP.chain())), // redirect
			match(is(icmpType, "\x09"), goTo(KindICMP.chain())), // router advertisement, RFC 1256
			match(isNot(icmpType, "\x05"), accept),
			{goTo(KindForm.chain())},
		}},
		// Anything but reports may be a router's: queries, advertisements (RFC 4286)
		// and PIM have the bridge send all groups to the port.
		{name: "guest_igmp", rules: append(acceptTypes(icmpType, igmpOfHosts),
			match(isNot(icmpType, "\x12"), goTo(KindICMP.chain())),
			rule{goTo(KindForm.chain())},
		)},
	}
}

func guest6Chains() []chain {
	return []chain{
		{name: "guest_ip6", rules: []rule{
			match(in(setOwn6, iifname, etherSource, ip6Source), goTo("guest_ip6_sent")),
			match(notIn(setMACs, iifname, etherSource), goTo(KindMAC.chain())),
			match(is(ip6Source, zero6), goTo("guest_ip6_start")),
			match(in(setReserved6, ip6Source), goTo(KindIPv6.chain())),
			match(in(setAllowed6, iifname, ip6Source), goTo("guest_ip6_sent")),
			// A guest chooses its link-local addresses (RFC 7217, RFC 8981).
			match(linkLocal(ip6Source), goTo("guest_ip6_chosen")),
			{goTo(KindIPv6.chain())},
		}},
		{name: "guest_ip6_chosen", rules: chosen(ip6Source, goTo("guest_ip6_sent"), KindIPv6)},
		{name: "guest_claim_chosen", rules: chosen(ndTarget, accept, KindND)},
		// Without an address a guest asks whether its own is free, looks for routers
		// and reports its groups (RFC 4861, RFC 4862, RFC 3590).
		{name: "guest_ip6_start", rules: []rule{
			match(is(transport, protoICMPv6), is(icmpType, "\x87"), goTo("guest_claim")),
			match(is(transport, protoICMPv6), is(icmpType, "\x85"), accept),
			match(is(transport, protoICMPv6), is(icmpType, "\x83"), accept),
			match(is(transport, protoICMPv6), is(icmpType, "\x8f"), accept),
			{goTo(KindIPv6.chain())},
		}},
		// DHCPv6 goes to the ports 546 and 547 (RFC 8415, section 7.2).
		{name: "fast_udp6", rules: []rule{
			match(above(udpTargetHigh, 3), accept), // above 1023
			{goTo("guest_ip6_sent")},
		}},
		{name: "guest_ip6_sent", rules: []rule{
			match(is(ip6Next, protoTCP), accept),
			match(is(transport, protoUDP), goTo("guest_udp6")),
			match(is(transport, protoICMPv6), goTo("guest_icmp6")),
			match(is(transport, protoPIM), goTo(KindICMP.chain())),
			match(isNot(transport, protoUDP), accept),
			{goTo(KindForm.chain())},
		}},
		{name: "guest_udp6", rules: []rule{
			match(laterFragment6(), accept),
			match(is(udpTarget, port(546)), goTo(KindDHCP.chain())),
			match(is(udpSource, port(547)), goTo(KindDHCP.chain())),
			match(is(udpTarget, port(547)), goTo("guest_dhcp6")),
			match(isNot(udpSource, port(547)), accept),
			{goTo(KindForm.chain())},
		}},
		// A relay tells the server which MAC its client has (RFC 6939).
		{name: "guest_dhcp6", rules: append(acceptTypes(dhcp6Type, dhcp6OfClients), rule{goTo(KindDHCP.chain())})},
		{name: "guest_icmp6", rules: append([]rule{
			// A later fragment means nothing without the first, which is checked.
			match(laterFragment6(), accept),
			// RFC 6980: neighbour discovery never comes in fragments.
			match(fragment6(), above(icmpType, 132), below(icmpType, 138), goTo(KindICMP.chain())),
			match(is(icmpType, "\x88"), goTo("guest_claim")),
		}, append(acceptTypes(icmpType, icmp6OfHosts), rule{goTo(KindICMP.chain())})...)},
		// A neighbour advertisement, or a solicitation for the address that the
		// sender is about to use.
		{name: "guest_claim", rules: []rule{
			match(fragment6(), goTo(KindICMP.chain())),
			match(in(setOwn6, iifname, etherSource, ndTarget), accept),
			match(in(setReserved6, ndTarget), goTo(KindND.chain())),
			match(in(setAllowed6, iifname, ndTarget), accept),
			match(linkLocal(ndTarget), goTo("guest_claim_chosen")),
			{goTo(KindND.chain())},
		}},
	}
}

// chosen lets a guest use an address that it has chosen, if no other guest does. Each one
// takes an entry in the table of neighbours of a host that answers.
func chosen(addr field, use expr.Any, foreign Kind) []rule {
	mine := slices.Concat(noted(setChosen, etherSource, addr), noted(setTaken, addr))
	return []rule{
		match(in(setChosen, etherSource, addr), mine, use),
		match(in(setTaken, addr), goTo(foreign.chain())),
		match(tooMany(setChoices, iif, newAddresses), goTo(foreign.chain())),
		match(mine, use),
		{goTo(foreign.chain())},
	}
}

// icmp6OfHosts are the ICMPv6 messages that a host sends, except for neighbour
// advertisements: errors, echo, multicast listener reports, router and neighbour
// solicitations, node information. Others are a router's or unknown.
var icmp6OfHosts = []byte{1, 2, 3, 4, 128, 129, 131, 132, 133, 135, 139, 140, 143, 160, 161}

// igmpOfHosts are the IGMP messages that a host sends: reports of all three versions,
// and that it leaves a group.
var igmpOfHosts = []byte{0x12, 0x16, 0x22, 0x17}

// dhcp6OfClients are the DHCPv6 messages that a client sends: solicit, request, confirm,
// renew, rebind, release, decline, information-request (RFC 8415, section 7.3).
var dhcp6OfClients = []byte{1, 3, 4, 5, 6, 8, 9, 11}

// acceptTypes accepts messages by their type, a byte.
func acceptTypes(field field, types []byte) []rule {
	rules := make([]rule, 0, len(types))
	for _, t := range types {
		rules = append(rules, match(is(field, string([]byte{t})), accept))
	}
	return rules
}

// limits are what a port may not send that is no guest's: as the addresses in the
// sets, to those in other sets and, if noServer is set, what only routers and DHCP
// servers send.
type limits struct {
	chain            string
	set4, set6, macs string
	to4, to6         string // "" for none
	noServer         bool
}

func (l limits) chains() []chain {
	base := chain{name: l.chain}
	if l.noServer {
		base.rules = append(base.rules,
			match(control(), is(etherType, etherLLDP), drop),
			match(control(), goTo(KindType.chain())))
	}
	if l.macs != "" {
		base.rules = append(base.rules, match(in(l.macs, etherSource), goTo(KindMAC.chain())))
	}
	base.rules = append(base.rules, noNestedTags()...)
	base.rules = append(base.rules,
		match(is(protocol, etherARP), in(l.set4, arpSender), goTo(KindARP.chain())),
		match(is(protocol, etherIPv4), goTo(l.chain+"_ip4")),
		match(is(protocol, etherIPv6), goTo(l.chain+"_ip6")),
	)
	ip4 := chain{name: l.chain + "_ip4", rules: []rule{match(in(l.set4, ip4Source), goTo(KindIPv4.chain()))}}
	ip6 := chain{name: l.chain + "_ip6", rules: []rule{
		match(in(l.set6, ip6Source), goTo(KindIPv6.chain())),
		match(is(transport, protoICMPv6), is(icmpType, "\x88"), in(l.set6, ndTarget), goTo(KindND.chain())),
		match(is(ip6Source, zero6), is(transport, protoICMPv6), is(icmpType, "\x87"), in(l.set6, ndTarget), goTo(KindND.chain())),
	}}
	if l.to4 != "" {
		base.rules = append(base.rules, match(is(protocol, etherARP), in(l.to4, arpTarget), goTo(KindARP.chain())))
		ip4.rules = append(ip4.rules, match(in(l.to4, ip4Target), goTo(KindIPv4.chain())))
		ip6.rules = append(ip6.rules,
			match(in(l.to6, ip6Target), goTo(KindIPv6.chain())),
			match(is(transport, protoICMPv6), is(icmpType, "\x87"), in(l.to6, ndTarget), goTo(KindND.chain())),
		)
	}
	if l.noServer {
		ip4.rules = append(ip4.rules, noServer4()...)
		ip6.rules = append(ip6.rules, noServer6()...)
	}
	return []chain{base, ip4, ip6}
}

// noNestedTags drops frames with a second tag behind one of VLAN 0. Linux takes a
// tag of VLAN 0 for none, however many there are; nftables looks behind one.
func noNestedTags() []rule {
	var rules []rule
	for _, outer := range []string{etherVLAN, etherQinQ} {
		for _, inner := range []string{etherVLAN, etherQinQ} {
			rules = append(rules, match(is(etherType, outer), vlanZero(), is(innerType, inner), goTo(KindType.chain())))
		}
	}
	return rules
}

func noServer4() []rule {
	return []rule{
		match(is(transport, protoUDP), is(udpSource, port(67)), goTo(KindDHCP.chain())),
		match(is(transport, protoUDP), is(udpTarget, port(68)), goTo(KindDHCP.chain())),
		match(isNot(transport, "\xff"), accept),
		{goTo(KindForm.chain())},
	}
}

func noServer6() []rule {
	return []rule{
		match(is(transport, protoUDP), is(udpSource, port(547)), goTo(KindDHCP.chain())),
		match(is(transport, protoUDP), is(udpTarget, port(546)), goTo(KindDHCP.chain())),
		match(is(transport, protoICMPv6), is(icmpType, "\x86"), goTo(KindICMP.chain())),
		match(is(transport, protoICMPv6), is(icmpType, "\x89"), goTo(KindICMP.chain())),
		match(isNot(transport, "\xff"), accept),
		{goTo(KindForm.chain())},
	}
}
