package stpl

import (
	"errors"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// loop repeats a statement without end.
func loop(setup, statement string) string {
	return "% " + setup + "\n% while True:\n%   " + statement + "\n% end\n"
}

// nested builds a value by wrapping it again and again.
func nested(start, wrap string, times, use string) string {
	return "% x = " + start + "\n% for _ in range(" + times + "):\n%   x = " + wrap + "\n% end\n{{" + use + "}}"
}

var runaways = []struct{ name, source, kind string }{
	// one operation that asks for too much
	{"a repeated string", "{{'x' * 10 ** 9}}", "MemoryError"},
	{"repeated bytes", "{{b'x' * 10 ** 18}}", "MemoryError"},
	{"a repeated list", "{{[0] * 10 ** 9}}", "MemoryError"},
	{"a repeated tuple of many", "{{(1, 2, 3) * 2 ** 62}}", "MemoryError"},
	{"a repeated list in place", "% l = [1] * 1000\n% l *= 10 ** 9\n", "MemoryError"},
	{"the list of a range", "{{list(range(10 ** 9))}}", "MemoryError"},
	{"the sum of a range", "{{sum(range(10 ** 18))}}", "TimeoutError"},
	{"a search in a range", "{{'a' in range(10 ** 18)}}", "TimeoutError"},
	{"the sorted numbers of a range", "{{sorted(range(10 ** 12), reverse=True)}}", "MemoryError"},
	{"an unpacked range", "% a, *b = range(10 ** 12)\n", "MemoryError"},
	{"an argument list", "{{max(*range(10 ** 12))}}", "MemoryError"},
	{"rows of zip", "{{list(zip(*[range(10 ** 6)] * 10000))}}", "MemoryError"},
	{"a set", "{{set(range(10 ** 12))}}", "MemoryError"},
	{"a dict", "{{dict.fromkeys(range(10 ** 12))}}", "MemoryError"},
	{"a comprehension", "{{[[x] for x in range(10 ** 12)]}}", "MemoryError"},
	{"bytes of a size", "{{bytes(10 ** 12)}}", "MemoryError"},
	{"an int's bytes", "{{(1).to_bytes(10 ** 12, 'big')}}", "MemoryError"},
	{"a power", "{{10 ** 10 ** 10}}", "OverflowError"},
	{"a shift", "{{1 << 10 ** 10}}", "OverflowError"},
	{"the longest shift", "{{1 << 2 ** 63 - 1}}", "OverflowError"},
	{"a text of an int", "{{str(7 ** 80000)}}", "ValueError"},
	{"an int of a text", "{{int('9' * 10 ** 6)}}", "ValueError"},
	{"hexadecimal digits", "{{int('f' * 3 * 10 ** 6, 16)}}", "OverflowError"},
	{"a modular power", "{{pow(3, 1 << 200000, (1 << 200000) - 1)}}", "TimeoutError"},
	{"a width", "{{'%1000000000d' % 1}}", "ValueError"},
	{"a width given", "{{'%*d' % (10 ** 9, 1)}}", "ValueError"},
	{"a precision", "{{'%.1000000000f' % 1}}", "ValueError"},
	{"a width of format", "{{'{:1000000000}'.format(1)}}", "ValueError"},
	{"a width of an f-string", "{{f'{1:{10 ** 9}}'}}", "ValueError"},
	{"many widths", "{{'%1000000d' * 1000 % ((1,) * 1000)}}", "MemoryError"},
	{"ljust", "{{'x'.ljust(10 ** 12)}}", "MemoryError"},
	{"center", "{{'x'.center(2 ** 62, 'é')}}", "MemoryError"},
	{"zfill", "{{'x'.zfill(10 ** 12)}}", "MemoryError"},
	{"expandtabs", "{{('\\t' * 10 ** 5).expandtabs(10 ** 5)}}", "MemoryError"},
	{"replace", "{{('x' * 10 ** 5).replace('x', 'y' * 10 ** 5)}}", "MemoryError"},
	{"join", "{{('x' * 10 ** 6).join('y' * 10 ** 6)}}", "MemoryError"},
	{"translate", "{{('x' * 10 ** 5).translate({120: 'y' * 10 ** 5})}}", "MemoryError"},
	{"splitlines", "{{len(('\\r' * (7 << 20)).splitlines())}}", "Error"},
	{"split at white space", "{{len(('a\\t' * (3 << 20)).split())}}", "Error"},
	{"a list of characters", "{{len(list('é' * 2 * 10 ** 6))}}", "MemoryError"},
	{"upper case", "{{len(('ﬃ' * 4 * 10 ** 6).upper())}}", "MemoryError"},
	{"repr", "{{repr('\\x00' * (2 << 20))}}", "MemoryError"},
	{"a YAML text", "% import yaml\n{{len(yaml.safe_dump('é' * 3 * 10 ** 6))}}", "MemoryError"},
	{"indented lines", "% import textwrap\n{{textwrap.indent('\\n' * 10 ** 6, 'x' * 10 ** 4, lambda l: True)}}", "MemoryError"},
	{"replaced matches", "% import re\n{{re.sub('a*', 'b' * 10 ** 5, 'a b ' * 10 ** 5)}}", "MemoryError"},
	{"a doubled list", "{{repr([['x' * 1000] * 1000] * 1000)}}", "MemoryError"},
	{"fill in groups", "{{'{:01000000,}'.format(1) * 60}}", "Error"},

	// growth over time
	{"a list that extends itself", loop("l = [1]", "l.extend(l)"), "MemoryError"},
	{"a list that adds itself", loop("l = [1]", "l += l"), "MemoryError"},
	{"a slice of itself", loop("l = [1]", "l[1:1] = l"), "MemoryError"},
	{"a string that doubles", loop("s = 'x'", "s += s"), "MemoryError"},
	{"a string that grows", loop("s = ''", "s += 'x' * 1000"), "MemoryError"},
	{"strings that are kept", loop("s, l = 'x' * 10 ** 6, []", "l.append(s); s += 'y'; l.append(s + 'z')"), "MemoryError"},
	{"a square of a square", loop("n = 3", "n = n * n"), "OverflowError"},
	{"numbers that are kept", loop("n, l = 3 ** 100000, []", "l.append(n + len(l))"), "MemoryError"},
	{"a list that grows", loop("l = []", "l.append([1])"), "MemoryError"},
	{"a dict that grows", loop("d = {}", "d[len(d)] = {}"), "MemoryError"},
	{"a set that grows", loop("s = set()", "s.add((len(s), 'x'))"), "MemoryError"},
	{"bound methods that are kept", loop("l = []", "l.append('x'.upper)"), "MemoryError"},
	{"iterators that are kept", loop("l = []", "l.append(enumerate([]))"), "MemoryError"},
	{"functions that are kept", loop("l = []", "l.append(lambda x=l, y=l: x)"), "MemoryError"},
	{"generators that are kept", loop("l = []", "l.append(x for x in l)"), "MemoryError"},
	{"exceptions that are kept", loop("l = []", "l.append(ValueError('x'))"), "MemoryError"},
	{"messages that are kept", "% l, big = [], 'x' * 10 ** 6\n% while True:\n%   try:\n%     getattr(l, big)\n%   except AttributeError as e:\n%     l.append(e)\n%   end\n% end\n", "Error"},
	{"keys of tuples", loop("d, t = {}, ('x' * 1000,) * 1000", "d[t + (len(d),)] = 1"), "Error"},
	{"output", "% while True:\n" + strings.Repeat("x", 1000) + "\n% end\n", "MemoryError"},
	{"output of a large value", "% s = 'x' * 10 ** 6\n% while True:\n{{s}}\n% end\n", "MemoryError"},
	{"lookups without end", loop("s = 1", "get('s')"), "Error"},
	{"an endless loop", "% while True:\n%   pass\n% end\n", "TimeoutError"},
	{"an endless iteration", "% l = [1]\n% for x in l:\n%   l.append(x)\n% end\n", "MemoryError"},

	// errors that are caught
	{"memory asked for again and again", "% while True:\n%   try:\n%     'x' * 10 ** 12\n%   except MemoryError:\n%     pass\n%   end\n% end\n", "Error"},
	{"memory that is kept", "% l = []\n% while True:\n%   try:\n%     l.append('x' * 10 ** 6)\n%   except MemoryError:\n%     pass\n%   end\n% end\n", "Error"},
	{"recursion that begins anew", "% def f():\n%   try:\n%     f()\n%   except RecursionError:\n%     f()\n%   end\n% end\n{{f()}}", "Error"},
	{"recursion at the end", "% def f():\n%   try:\n%     f()\n%   finally:\n%     f()\n%   end\n% end\n{{f()}}", "TimeoutError"},

	// nesting
	{"recursion", "% def f():\n%   return f()\n% end\n{{f()}}", "RecursionError"},
	{"recursion through a key", "% def f(x):\n%   return sorted([x], key=f)\n% end\n{{f(1)}}", "RecursionError"},
	{"a value nested deeply", nested("[]", "[x]", "100000", "x"), "RecursionError"},
	{"deeply nested equals", nested("[]", "[x]", "100000", "x == [x]") + nested("[]", "[x]", "100001", "x == x[0]"), "RecursionError"},
	{"a deeply nested key", nested("()", "(x,)", "100000", "dict([(x, 1)])"), "RecursionError"},
	{"deeply nested types", nested("(int,)", "(x,)", "100000", "isinstance('', x)"), "RecursionError"},
	{"the text of a wide tree", nested("[1]", "[x, x]", "60", "x"), "Error"},
	{"a wide tree compared", "% x, y = [1], [1]\n% for _ in range(60):\n%   x, y = [x, x], [y, y]\n% end\n{{x == y}}", "TimeoutError"},
	{"a wide tree as a key", nested("(1,)", "(x, x)", "60", "dict([(x, 1)])"), "TimeoutError"},
	{"wide types", nested("(int,)", "(x, x)", "60", "isinstance('', x)"), "TimeoutError"},
	{"wide handlers", "% x = (KeyError,)\n% for _ in range(60):\n%   x = (x, x)\n% end\n% try:\n%   1 / 0\n% except x:\n%   pass\n% end\n", "TimeoutError"},
}

// TestRunaways renders templates that want too much. Each ends soon and with
// an error, without much memory. They never reach the time limit, so a busy
// machine changes nothing: the limits on steps and memory are enough. These are
// about a tenth of the usual ones, to save time.
func TestRunaways(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(40))
	engine := New(Options{Limits: Limits{Steps: 500_000, Memory: 8 << 20, Output: 2 << 20, Time: time.Minute}})
	for _, tt := range runaways {
		t.Run(tt.name, func(t *testing.T) {
			template, err := engine.Compile("t.tpl", tt.source)
			if err != nil {
				t.Fatal(err)
			}
			peak := watchHeap()
			began := time.Now()
			_, err = template.Render(t.Context(), nil)
			took, grew := time.Since(began), peak()
			var failed *Error
			if !errors.As(err, &failed) || !strings.HasSuffix(failed.Kind, tt.kind) {
				t.Errorf("error %.200v, want %s", err, tt.kind)
			}
			if failed != nil && failed.Line == 0 {
				t.Errorf("%v names no line", failed)
			}
			if took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if grew > 40<<20 {
				t.Errorf("the heap grew by %d MiB", grew>>20)
			}
			t.Logf("%v, %d MiB, %.100v", took.Round(time.Millisecond), grew>>20, err)
		})
	}
}

// watchHeap samples the size of the heap until the function that it returns is
// called, which tells the largest growth seen.
func watchHeap() func() uint64 {
	runtime.GC()
	base := heapSize()
	peak, stop, done := base, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			peak = max(peak, heapSize())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		last := heapSize()
		close(stop)
		<-done
		return max(peak, last) - base
	}
}

func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestOrdinaryTemplatesNeedLittle renders the corpus with a small part of the
// default limits, and templates that are large, but not astray, with all of
// them.
func TestOrdinaryTemplatesNeedLittle(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus, "*.expected"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	opts := Options{
		Roots:  []string{filepath.Join(corpus, "views")},
		Limits: Limits{Steps: 5_000, Memory: 128 << 10, Output: 64 << 10, Recursion: 20, Time: time.Minute},
	}
	for _, path := range paths {
		base, guest, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".expected"), ".")
		base = filepath.Join(corpus, base)
		if _, err := renderText(t, opts, readFile(t, base+".tpl"), corpusVars(t, base, guest)); err != nil {
			t.Errorf("%s for %s: %v", base, guest, err)
		}
	}
	for name, source := range map[string]string{
		"a text of a megabyte":     "% s = ''\n% for i in range(20000):\n%   s += 'line %d of a text that grows and grows\\n' % i\n% end\n{{len(s)}}",
		"a hundred thousand lines": "% for i in range(100000):\n{{i}}: {{'%04x' % i}}\n% end\n",
		"a large table":            "% d = {}\n% for i in range(50000):\n%   d['host-%d' % i] = {'n': i, 'tags': [i]}\n% end\n% for k, v in sorted(d.items()):\n{{k}} {{v['n']}}\n% end\n",
		"a list sorted and joined": "{{len(', '.join(sorted(str(i) for i in range(100000))))}}",
	} {
		if _, err := renderText(t, Options{Limits: Limits{Time: time.Minute}}, source, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
