package object

import (
	"fmt"
	"strconv"
	"strings"
)

// required counts the parameters that are not optional.
func required(params []parameter) (n int) {
	for _, p := range params {
		if !p.optional {
			n++
		}
	}
	return n
}

// checkArity compares the number of arguments with the signature. The messages
// are those of CPython, which has one for each way of passing arguments.
func (b *Builtin) checkArity(given, keywords int) error {
	s := &b.sig
	least, most := required(s.params[:s.posOnly]), s.pos
	unnamed := s.posOnly == len(s.params) && !s.starStar
	plain := unnamed && !s.star
	switch {
	case b.python != "":
		return nil // see checkGiven
	case unnamed && keywords > 0:
		return Raise(TypeError, "%s() takes no keyword arguments", b.qualified())
	case given >= least && (given <= most || s.star):
		return nil
	case plain && most == 0:
		return Raise(TypeError, "%s() takes no arguments (%d given)", b.qualified(), given)
	case plain && least == 1 && most == 1:
		return Raise(TypeError, "%s() takes exactly one argument (%d given)", b.qualified(), given)
	case s.posOnly == s.pos:
		return Raise(TypeError, "%s expected %s, got %d", b.Name, arity(given, least, most), given)
	case given < least:
		return nil // bind names the first missing argument, if any
	}
	return Raise(TypeError, "%s() takes at most %d argument%s (%d given)", b.Name, most, Plural(most), given)
}

// checkGiven checks the arguments that a call has bound to the parameters.
func (b *Builtin) checkGiven(positional int, args []Value) error {
	s := &b.sig
	if most := s.pos; b.python != "" && positional > most && !s.star {
		self := 0
		if b.python != b.Name {
			self = 1
		}
		return TooMany(b.python, required(s.params[:most])+self, most+self, positional+self, args[most:len(s.params)])
	}
	var missing []string
	for i, p := range s.params {
		switch {
		case args[i] != nil || p.optional:
		case b.python == "":
			return Raise(TypeError, "%s() missing required argument '%s' (pos %d)", b.Name, p.name, i+1)
		default:
			missing = append(missing, p.name)
		}
	}
	if len(missing) > 0 {
		return Missing(b.python, "positional", missing)
	}
	return nil
}

// arity says how many arguments are allowed: the bound that given breaks.
func arity(given, least, most int) string {
	bound, n := "", least
	switch {
	case least == most:
	case given < least:
		bound = "at least "
	default:
		bound, n = "at most ", most
	}
	return bound + strconv.Itoa(n) + " argument" + Plural(n)
}

// Plural returns the ending of a noun that counts n things.
func Plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// Missing returns the error of a call that lacks arguments of a function written in
// Python. Kind is positional or keyword-only.
func Missing(function, kind string, names []string) error {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "'" + name + "'"
	}
	list := quoted[0]
	switch n := len(quoted); {
	case n == 2:
		list += " and " + quoted[1]
	case n > 2:
		list = strings.Join(quoted[:n-1], ", ") + ", and " + quoted[n-1]
	}
	return Raise(TypeError, "%s() missing %d required %s argument%s: %s", function, len(names), kind, Plural(len(names)), list)
}

// TooMany returns the error of a call that passes too many positional arguments to a
// function written in Python. KeywordOnly has the values of keyword-only parameters,
// nil if not given.
func TooMany(function string, least, most, given int, keywordOnly []Value) error {
	takes := fmt.Sprintf("%d positional argument%s", most, Plural(most))
	if least != most {
		takes = fmt.Sprintf("from %d to %d positional arguments", least, most)
	}
	keywords := 0
	for _, v := range keywordOnly {
		if v != nil {
			keywords++
		}
	}
	got := strconv.Itoa(given)
	if keywords > 0 {
		got = fmt.Sprintf("%d positional argument%s (and %d keyword-only argument%s)", given, Plural(given), keywords, Plural(keywords))
	}
	verb := "were"
	if given == 1 && keywords == 0 {
		verb = "was"
	}
	return Raise(TypeError, "%s() takes %s but %s %s given", function, takes, got, verb)
}
