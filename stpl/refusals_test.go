package stpl

import (
	"errors"
	"testing"
)

// Wherever steps or memory run out, the error names a line of the template.
func TestRefusalsHaveALine(t *testing.T) {
	const source = `
% import json, math
% from itertools import chain
% def add(a, b=1, *rest, **more):
%   return [a + b + sum(rest)]
% end
% def zero(*a):
%   return 0
% end
% zero(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
% x = y = [1, 2.5, 'three', (4,), {5: 6}, {7}, -8, not 9]
% a, *b = range(9)
% b += [len(x)]; b[2:4] = [0]; del b[0]
% c = {k: v for k, v in zip('abc', x)}
% d = [*b, *map(str, b)]; e = {**c, 'd': 1}
% f = lambda n: n if n < 2 else f(n - 1) * n
% try:
%   raise ValueError(f'{f(5):>{9}} of {a!r}')
% except (KeyError, ValueError) as err:
%   g = '%s and %s' % (err, 1)
% finally:
%   h = 'a-b'.split('-')
% end
% while a < 2 and 0 <= a <= 9:
%   a += 1
% else:
%   i = sorted(e, key=lambda k: -len(k)) or None
% end
% for n, j in enumerate(chain(b, add(*b[:2], 3, four=4), (k for k in d if k))):
{{n}}: {{j}} {{!json.dumps({'n': [n]})}} {{g.upper().encode()[1:2]}}
% end
% assert b, 'none'
{{math.floor(2.5)}} {{(m := x[0])}} {{defined('m')}} {{e.get('z', '-'.join(h))}}
`
	for name, limited := range map[string]func(n int64) Limits{
		"steps":  func(n int64) Limits { return Limits{Steps: n} },
		"memory": func(n int64) Limits { return Limits{Memory: 16 * n} },
	} {
		refused := false
		for n := int64(1); ; n++ {
			template, err := New(Options{Limits: limited(n)}).Compile("t.tpl", source)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = template.Render(t.Context(), nil); err == nil {
				break
			}
			refused = true
			var failed *Error
			if !errors.As(err, &failed) || failed.Line == 0 {
				t.Errorf("%s, limit %d: %v", name, n, err)
			}
		}
		if !refused {
			t.Errorf("%s: nothing was refused", name)
		}
	}
}
