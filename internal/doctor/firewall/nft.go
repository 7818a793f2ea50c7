package firewall

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The JSON of `nft -j list ruleset`, see libnftables-json(5).
type nftDocument struct {
	Objects []struct {
		Chain *nftChain
		Rule  *nftRule
		Set   *nftSet
	} `json:"nftables"`
}

type nftChain struct {
	Family, Table, Name, Hook, Policy string
	Prio                              int
}

// ofIPTables reports whether iptables made the chain: iptables-save prints it.
func (c *nftChain) ofIPTables() bool {
	return (c.Family == "ip" || c.Family == "ip6") && c.Table == "filter" && c.Name == "INPUT"
}

type nftRule struct {
	Family, Table, Chain string
	Expr                 []map[string]json.RawMessage
}

type nftSet struct {
	Family, Table, Name string
	Elem                []json.RawMessage
}

// ParseNFT reads what `nft -j list ruleset` prints. Tables of iptables are
// skipped: `iptables-save` shows them completely.
func ParseNFT(text string) (Chains, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var doc nftDocument
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("the rules that nft prints: %w", err)
	}
	sets := map[string][]json.RawMessage{}
	var all Chains
	for _, o := range doc.Objects {
		switch {
		case o.Set != nil:
			sets[o.Set.Family+" "+o.Set.Table+" "+o.Set.Name] = o.Set.Elem
		case o.Chain != nil && !o.Chain.ofIPTables():
			all = append(all, Chain{
				Family: o.Chain.Family, Table: o.Chain.Table, Name: o.Chain.Name, Priority: o.Chain.Prio,
				Input: o.Chain.Hook == "input", PolicyDrop: o.Chain.Policy == "drop",
			})
		}
	}
	for _, o := range doc.Objects {
		if o.Rule == nil {
			continue
		}
		r := reader{sets: sets, place: o.Rule.Family + " " + o.Rule.Table + " "}
		i := slices.IndexFunc(all, func(c Chain) bool {
			return c.Family == o.Rule.Family && c.Table == o.Rule.Table && c.Name == o.Rule.Chain
		})
		if rule, ok := r.rule(o.Rule.Expr); ok && i >= 0 {
			all[i].Rules = append(all[i].Rules, rule)
		}
	}
	slices.SortStableFunc(all, func(a, b Chain) int { return cmp.Compare(a.Priority, b.Priority) })
	return all, nil
}

// reader reads the rules of one table.
type reader struct {
	sets  map[string][]json.RawMessage
	place string // "FAMILY TABLE ", before a set's name
}

// passing are the statements that decide nothing.
var passing = []string{"counter", "log", "notrack", "mangle", "set", "map", "meter", "ct helper", "comment"}

// rule reads one rule; one of iptables' is not ok.
func (r reader) rule(exprs []map[string]json.RawMessage) (Rule, bool) {
	rule := Rule{}
	var words []string
	for _, expr := range exprs {
		for kind, body := range expr {
			if kind == "xt" {
				return Rule{}, false
			}
			words = append(words, r.statement(&rule, kind, body))
		}
	}
	rule.Text = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
	return rule, true
}

// statement adds one statement to the rule and gives its text.
func (r reader) statement(rule *Rule, kind string, body json.RawMessage) string {
	switch kind {
	case "match":
		ask, text := r.match(body)
		rule.Asks = append(rule.Asks, ask)
		return text
	case "vmap":
		rule.Choices = r.choices(body)
		return "vmap"
	}
	if action, target, ok := verdict(kind, body); ok {
		rule.Does, rule.Target = action, target
		return strings.TrimSpace(kind + " " + target)
	}
	if !slices.Contains(passing, kind) {
		rule.Asks = append(rule.Asks, func(Packet) Answer { return Unknown })
		return kind
	}
	return ""
}

func verdict(kind string, body json.RawMessage) (Action, string, bool) {
	switch kind {
	case "accept":
		return Accept, "", true
	case "drop", "reject":
		return Drop, "", true
	case "return":
		return Return, "", true
	case "continue":
		return Pass, "", true
	case "jump", "goto":
		var to struct{ Target string }
		_ = json.Unmarshal(body, &to) // no target: the jump leads nowhere
		if kind == "goto" {
			return Goto, to.Target, true
		}
		return Jump, to.Target, true
	}
	return Pass, "", false
}

// match reads "left op right".
func (r reader) match(body json.RawMessage) (func(Packet) Answer, string) {
	var m struct {
		Op          string
		Left, Right json.RawMessage
	}
	if json.Unmarshal(body, &m) != nil {
		return func(Packet) Answer { return Unknown }, "?"
	}
	field, name := fieldOf(m.Left)
	ask := func(p Packet) Answer { return r.within(field, p, m.Right) }
	text := name + " " + plain(m.Right)
	switch m.Op {
	case "==", "in":
	case "!=":
		positive := ask
		ask = func(p Packet) Answer { return not(positive(p)) }
		text = name + " != " + plain(m.Right)
	default:
		ask = func(Packet) Answer { return Unknown }
	}
	return ask, text
}

// choices reads a verdict map: {"key": …, "data": {"set": [[key, verdict], …]}}.
func (r reader) choices(body json.RawMessage) []func(Packet) Rule {
	var m struct {
		Key  json.RawMessage
		Data json.RawMessage
	}
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	field, _ := fieldOf(m.Key)
	var choices []func(Packet) Rule
	for _, elem := range r.elements(m.Data) {
		var pair []json.RawMessage
		if json.Unmarshal(elem, &pair) != nil || len(pair) != 2 {
			continue
		}
		choices = append(choices, func(p Packet) Rule {
			if r.within(field, p, pair[0]) != Yes {
				return Rule{}
			}
			return verdictOf(pair[1])
		})
	}
	return choices
}

func verdictOf(body json.RawMessage) Rule {
	var v map[string]json.RawMessage
	if json.Unmarshal(body, &v) != nil {
		return Rule{}
	}
	for kind, inner := range v {
		if action, target, ok := verdict(kind, inner); ok {
			return Rule{Does: action, Target: target}
		}
	}
	return Rule{}
}
