package text

import (
	"html"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// HTML makes the module html.
func HTML() native.Members {
	return native.Functions(
		native.Func("escape", "s:str quote?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			if err := native.Charge(t, 6*len(s)); err != nil {
				return nil, err
			}
			pairs := []string{"&", "&amp;", "<", "&lt;", ">", "&gt;"}
			if native.Truth(a[1], true) {
				pairs = append(pairs, `"`, "&quot;", "'", "&#x27;")
			}
			return object.Str(strings.NewReplacer(pairs...).Replace(s)), nil
		}),
		native.Func("unescape", "s:str", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			return object.Str(html.UnescapeString(s)), native.Charge(t, 2*len(s))
		}),
	)
}
