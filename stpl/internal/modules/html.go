package modules

import (
	"html"
	"strings"

	"mdserver/stpl/internal/object"
)

func htmlModule() members {
	return functions(
		fn("escape", "s:str quote?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			if err := charge(t, 6*len(s)); err != nil {
				return nil, err
			}
			pairs := []string{"&", "&amp;", "<", "&lt;", ">", "&gt;"}
			if truth(a[1], true) {
				pairs = append(pairs, `"`, "&quot;", "'", "&#x27;")
			}
			return object.Str(strings.NewReplacer(pairs...).Replace(s)), nil
		}),
		fn("unescape", "s:str", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			return object.Str(html.UnescapeString(s)), charge(t, 2*len(s))
		}),
	)
}
