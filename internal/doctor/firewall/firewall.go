// Package firewall determines whether a host's packet filter accepts a packet: it
// reads the rules that nft and iptables-save print, and follows one packet through
// the chains of the input hook. It evaluates interface, addresses, protocol, ports
// and connection state. A rule with other conditions is skipped, and the verdict
// says so.
package firewall

import "net/netip"

// Packet is the first of a connection, as it comes in.
type Packet struct {
	Interface        string
	Proto            string // tcp or udp
	Source, Target   netip.Addr
	SourcePort, Port uint16
}

// Verdict is what becomes of a packet.
type Verdict struct {
	Dropped  bool
	By       string // the rule or policy that drops it
	Chain    Chain  // the base chain that it was in
	Doubtful bool   // an earlier rule that could not be judged may let it in
}

// Chain is one chain. Table is empty for one of iptables or ip6tables; only their
// filter table is read.
type Chain struct {
	Family, Table, Name string
	Priority            int
	Input               bool // it sees what comes in, by itself
	PolicyDrop          bool
	Rules               []Rule
}

// Rule is one rule: what it asks and what it does.
type Rule struct {
	Text    string
	Asks    []func(Packet) Answer
	Does    Action
	Target  string              // of a jump
	Choices []func(Packet) Rule // of a verdict map: at most one applies
}

// Answer tells whether a packet is as a rule asks.
type Answer int

// The answers.
const (
	No Answer = iota
	Yes
	Unknown
)

// Action is what a rule does with a packet that is as it asks.
type Action int

// The actions; Pass goes on with the next rule.
const (
	Pass Action = iota
	Accept
	Drop
	Return
	Jump
	Goto
)

// Chains are all chains of one kind of packet filter, base chains in the order
// of their priority.
type Chains []Chain

// maxDepth bounds jumps; the kernel's own limit is 16.
const maxDepth = 16

// Input follows a packet that comes in. It must pass every base chain.
func (all Chains) Input(p Packet) Verdict {
	for i := range all {
		base := &all[i]
		if !base.Input || !base.sees(p) {
			continue
		}
		t := &trace{all: all, packet: p}
		action, by := t.follow(base, 0)
		if action != Drop && action != Accept && base.PolicyDrop {
			action, by = Drop, "the policy of "+base.String()
		}
		if action == Drop {
			return Verdict{Dropped: true, By: by, Chain: *base, Doubtful: t.doubtful}
		}
	}
	return Verdict{}
}

// String names the chain as nft and iptables do.
func (c *Chain) String() string {
	if program := c.Program(); program != "nft" {
		return "the " + program + " chain " + c.Name
	}
	return "the nftables chain " + c.Family + " " + c.Table + " " + c.Name
}

// Program is the program that changes the chain: nft, iptables or ip6tables.
func (c *Chain) Program() string {
	switch {
	case c.Table != "":
		return "nft"
	case c.Family == "ip6":
		return "ip6tables"
	}
	return "iptables"
}

func (c *Chain) sees(p Packet) bool {
	switch c.Family {
	case "ip":
		return p.Target.Is4()
	case "ip6":
		return p.Target.Is6()
	}
	return c.Family == "inet"
}

// trace is one packet on its way.
type trace struct {
	all      Chains
	packet   Packet
	doubtful bool // a rule that may apply lets it in
}

// follow passes a chain's rules in order. Pass means that none decided.
func (t *trace) follow(c *Chain, depth int) (Action, string) {
	if depth > maxDepth {
		return Pass, ""
	}
	for _, rule := range c.Rules {
		rule = rule.chosen(t.packet)
		switch rule.asks(t.packet) {
		case No:
			continue
		case Unknown:
			t.doubtful = t.doubtful || rule.Does == Accept || rule.Does == Jump || rule.Does == Goto || rule.Does == Return
			continue
		}
		action, by := t.apply(c, rule, depth)
		if action != Pass {
			return action, by
		}
		if rule.Does == Goto {
			return Pass, ""
		}
	}
	return Pass, ""
}

func (t *trace) apply(c *Chain, rule Rule, depth int) (Action, string) {
	switch rule.Does {
	case Drop:
		return Drop, "the rule \"" + rule.Text + "\" of " + c.String()
	case Jump, Goto:
		if next := t.find(c, rule.Target); next != nil {
			action, by := t.follow(next, depth+1)
			if action == Return {
				action = Pass
			}
			return action, by
		}
		return Pass, ""
	}
	return rule.Does, ""
}

func (t *trace) find(from *Chain, name string) *Chain {
	for i := range t.all {
		c := &t.all[i]
		if c.Name == name && c.Table == from.Table && c.Family == from.Family {
			return c
		}
	}
	return nil
}

// asks is Yes if all is as the rule asks, No if anything is not.
func (r Rule) asks(p Packet) Answer {
	answer := Yes
	for _, ask := range r.Asks {
		switch ask(p) {
		case No:
			return No
		case Unknown:
			answer = Unknown
		}
	}
	return answer
}

// chosen resolves a verdict map.
func (r Rule) chosen(p Packet) Rule {
	for _, choice := range r.Choices {
		if c := choice(p); c.Does != Pass {
			r.Does, r.Target, r.Choices = c.Does, c.Target, nil
			return r
		}
	}
	return r
}

// not reverses what is known.
func not(a Answer) Answer {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}
