package firewall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseIPTables reads what `iptables-save -t filter` prints if the family is
// "ip", and what `ip6tables-save -t filter` prints if it is "ip6".
func ParseIPTables(family, text string) (Chains, error) {
	var all Chains
	index := map[string]int{}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case table != "filter":
		case strings.HasPrefix(line, ":"):
			words := strings.Fields(line[1:])
			if len(words) < 2 {
				return nil, fmt.Errorf("the rules that iptables-save prints: %q names no policy", line)
			}
			index[words[0]] = len(all)
			all = append(all, Chain{Family: family, Name: words[0], Input: words[0] == "INPUT", PolicyDrop: words[1] == "DROP"})
		case strings.HasPrefix(line, "-A "):
			words := splitWords(line)
			i, known := index[words[1]]
			if !known {
				return nil, fmt.Errorf("the rules that iptables-save prints: %q is of no chain", line)
			}
			all[i].Rules = append(all[i].Rules, readRule(line, words[2:]))
		}
	}
	return all, nil
}

// splitWords splits a line at spaces, but not within quotes. A backslash takes from the
// next character what it means.
func splitWords(line string) []string {
	var words []string
	start, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			words = append(words, line[start:i])
			start = i + 1
		}
	}
	words = append(words, line[start:])
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// options that ask something, by their name; the value is their argument.
var options = map[string]func(value string) func(Packet) Answer{
	"-i": func(v string) func(Packet) Answer {
		return func(p Packet) Answer { return answer(samePlus(p.Interface, v)) }
	},
	"-p": func(v string) func(Packet) Answer { return func(p Packet) Answer { return answer(p.Proto == v) } },
	"-s": func(v string) func(Packet) Answer {
		return func(p Packet) Answer { return inPrefix(p.Source.String(), v) }
	},
	"-d": func(v string) func(Packet) Answer {
		return func(p Packet) Answer { return inPrefix(p.Target.String(), v) }
	},
	"--dport":  func(v string) func(Packet) Answer { return func(p Packet) Answer { return anyPort(p.Port, v) } },
	"--dports": func(v string) func(Packet) Answer { return func(p Packet) Answer { return anyPort(p.Port, v) } },
	"--sport":  func(v string) func(Packet) Answer { return func(p Packet) Answer { return anyPort(p.SourcePort, v) } },
	"--sports": func(v string) func(Packet) Answer { return func(p Packet) Answer { return anyPort(p.SourcePort, v) } },
	"--state":  isNew, "--ctstate": isNew,
	"--ctstatus": func(v string) func(Packet) Answer { return func(Packet) Answer { return answer(listed(v, "NONE")) } },
	"--ctdir":    func(v string) func(Packet) Answer { return func(Packet) Answer { return answer(v == "ORIGINAL") } },
}

// silent are options that ask nothing. One word follows each.
var silent = []string{"--comment", "--reject-with", "--log-prefix", "--log-level"}

// plainModules are those whose options are all known.
var plainModules = map[string]bool{
	"tcp": true, "udp": true, "multiport": true, "comment": true, "state": true, "conntrack": true,
}

func isNew(v string) func(Packet) Answer {
	return func(Packet) Answer { return answer(listed(v, "NEW")) }
}

// hasFlags compares the flags of a TCP segment: of those in a mask, it has the ones that
// are set. The first segment of a connection has SYN alone.
func hasFlags(mask, set string) func(Packet) Answer {
	first := "NONE"
	if listed(mask, "SYN") {
		first = "SYN"
	}
	return func(Packet) Answer { return answer(set == first) }
}

// listed reports whether a list with commas has a word.
func listed(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }

// samePlus compares interface names; a plus at the end stands for the rest.
func samePlus(name, pattern string) bool {
	if stem, plus := strings.CutSuffix(pattern, "+"); plus {
		return strings.HasPrefix(name, stem)
	}
	return name == pattern
}

// anyPort compares with ports and first:last ranges with commas between them.
func anyPort(port uint16, list string) Answer {
	for item := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(item, ":")
		if !isRange {
			last = first
		}
		if inRange(strconv.Itoa(int(port)), first, last) == Yes {
			return Yes
		}
	}
	return No
}

func readRule(line string, words []string) Rule {
	rule := Rule{Text: strings.TrimPrefix(line, "-A ")}
	negated := false
	for i := 0; i < len(words); i++ {
		word, value := words[i], ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		if word == "!" {
			negated = true
			continue
		}
		known := options[word]
		switch {
		case word == "-j" || word == "-g":
			rule.Does, rule.Target = target(word, value)
			i++
		case slices.Contains(silent, word):
			i++
		case word == "-m" && plainModules[value]:
			i++
		case word == "--tcp-flags" && i+2 < len(words):
			rule.Asks = append(rule.Asks, signed(hasFlags(value, words[i+2]), negated))
			i += 2
		case known != nil:
			rule.Asks = append(rule.Asks, signed(known(value), negated))
			i++
		default:
			rule.Asks = append(rule.Asks, func(Packet) Answer { return Unknown })
		}
		negated = false
	}
	return rule
}

func signed(ask func(Packet) Answer, negated bool) func(Packet) Answer {
	if !negated {
		return ask
	}
	return func(p Packet) Answer { return not(ask(p)) }
}

func target(option, name string) (Action, string) {
	switch name {
	case "ACCEPT":
		return Accept, ""
	case "DROP", "REJECT":
		return Drop, ""
	case "RETURN":
		return Return, ""
	case "LOG", "MARK", "NFLOG", "CONNMARK", "NOTRACK", "CT", "TRACE":
		return Pass, ""
	}
	if option == "-g" {
		return Goto, name
	}
	return Jump, name
}
