package text

import (
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Textwrap makes the module textwrap.
func Textwrap() native.Members {
	m := native.Functions(native.Func("dedent", "text:str", dedent), native.Func("indent", "text prefix:str predicate?", indent))
	native.Refuse(m, "textwrap", "guests wrap no text", "wrap", "fill", "shorten", "TextWrapper")
	return m
}

func dedent(t *object.Thread, a []object.Value) (object.Value, error) {
	s := object.Text(a[0])
	if err := native.Charge(t, 2*len(s)); err != nil {
		return nil, err
	}
	lines := strings.Split(s, "\n")
	margin, found := "", false
	for i, line := range lines {
		body := strings.TrimLeft(line, " \t")
		if body == "" {
			lines[i] = ""
			continue
		}
		lead := line[:len(line)-len(body)]
		if !found {
			margin, found = lead, true
			continue
		}
		n := 0
		for n < len(margin) && n < len(lead) && margin[n] == lead[n] {
			n++
		}
		margin = margin[:n]
	}
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, margin)
	}
	return object.Str(strings.Join(lines, "\n")), nil
}

func indent(t *object.Thread, a []object.Value) (object.Value, error) {
	prefix := object.Text(a[1])
	keep := object.Args{Pos: []object.Value{object.Bool(true)}}
	lines, err := object.CallMethod(t, a[0], "splitlines", &keep)
	if err != nil {
		return nil, err
	}
	b := object.NewBuilder(t)
	err = object.Each(t, lines, func(v object.Value) error {
		line, err := native.Text(v)
		if err != nil {
			return err
		}
		if err := t.Work(len(prefix) + len(line)); err != nil {
			return err
		}
		wanted := strings.TrimSpace(line) != ""
		if !native.IsNone(a[2]) {
			answer, err := object.CallPos(t, a[2], v)
			if err != nil {
				return err
			}
			wanted = object.Truthy(answer)
		}
		if wanted {
			if err := b.Write(prefix); err != nil {
				return err
			}
		}
		return b.Write(line)
	})
	return object.Str(b.String()), err
}
