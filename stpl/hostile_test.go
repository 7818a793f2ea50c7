package stpl

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// manyNames writes format once for each of n numbers, with commas between.
func manyNames(format string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(list, ",")
}

// hostile templates are large or deep in one way each. What is refused must be
// refused by the compiler.
var hostile = []struct {
	name, source string
	kind         string // of the error, "" for none
	compiles     bool
}{
	// what a check for duplicates goes through
	{"keyword arguments", "{{len(dict(" + manyNames("a%d=1", 15_000) + "))}}", "", true},
	{"a keyword argument repeated", "{{dict(" + manyNames("a%d=1", 15_000) + ", a0=1)}}", "SyntaxError", false},
	{"unpacked keywords", "{{len(dict(**{str(i): i for i in range(15000)}))}}", "", true},
	{"unpacked keywords for format", "{{'{}'.format(1, **{str(i): i for i in range(15000)})}}", "", true},
	{"keywords unpacked again and again", "{{len(dict(" + manyNames("**{'a%d': 1}", 10_000) + "))}}", "", true},
	{"keywords unpacked twice", "% d = {str(i): i for i in range(10000)}\n{{dict(**d, **d)}}", "TypeError", true},
	{"keywords before unpacked ones", "{{dict(" + manyNames("a%d=1", 10_000) + ", **{'a0': 1})}}", "TypeError", true},
	{"parameters", "% def f(" + manyNames("a%d", 10_000) + "):\n%   return a0\n% end\n{{f(*range(10000))}}", "", true},
	{"parameters by keyword", "% def f(" + manyNames("a%d", 10_000) + "):\n%   return a0\n% end\n{{f(**{'a%d' % i: i for i in range(10000)})}}", "", true},
	{"parameters by position only", "% def f(" + manyNames("a%d", 10_000) + ", /, **k):\n%   return a0\n% end\n{{f(*range(10000), **{'a%d' % i: i for i in range(10000)})}}", "", true},
	{"parameters that are missing", "% def f(" + manyNames("a%d", 10_000) + "):\n%   return 1\n% end\n{{f()}}", "TypeError", true},
	{"lambda's parameters", "{{(lambda " + manyNames("a%d=1", 10_000) + ": a0)()}}", "", true},
	{"a dict", "{{len({" + manyNames("'a%d': 1", 15_000) + "})}}", "", true},
	{"a set", "{{len({" + manyNames("%d", 20_000) + "})}}", "", true},
	{"names", "% " + manyNames("a%d", 15_000) + " = range(15000)\n{{a7}}", "", true},
	{"global names", "% def f():\n%   global " + manyNames("a%d", 15_000) + "\n%   a0 = 1\n% end\n% f()\n", "", true},
	{"local names", "% def f():\n%   " + manyNames("a%d", 15_000) + " = range(15000)\n%   return a7\n% end\n{{f()}}", "", true},
	{"imports", "% import " + strings.TrimSuffix(strings.Repeat("math,", 15_000), ",") + "\n", "", true},
	{"decorators", "% def d(f):\n%   return f\n% end\n" + strings.Repeat("% @d\n", 10_000) + "% def g():\n%   return 1\n% end\n{{g()}}", "", true},
	{"clauses", "{{len([1" + strings.Repeat(" for x in '1'", 900) + "])}}", "", true},
	{"handlers", "% try:\n%   1 / 0\n" + strings.Repeat("% except KeyError:\n%   pass\n", 10_000) + "% except ZeroDivisionError:\n%   pass\n% end\n", "", true},

	// what is long
	{"tokens", "{{[" + strings.Repeat("0,", 200_000) + "]}}", "SyntaxError", false},
	{"inline expressions", strings.Repeat("{{0}}", 130_000), "SyntaxError", false},
	{"f-strings", "{{[" + strings.Repeat("f'{0}{0}{0}{0}',", 30_000) + "]}}", "SyntaxError", false},
	{"an integer", "{{" + strings.Repeat("9", 300_000) + "}}", "SyntaxError", false},
	{"a hexadecimal integer", "{{0x" + strings.Repeat("f", 300_000) + "}}", "SyntaxError", false},
	{"a float", "{{0." + strings.Repeat("9", 300_000) + "}}", "", true},
	{"joined strings", "{{len(" + strings.Repeat("'a' ", 30_000) + ")}}", "", true},
	{"joined f-strings", "{{len(" + strings.Repeat("f'a{1}' ", 10_000) + ")}}", "", true},
	{"comparisons", "{{" + strings.Repeat("1 <= ", 30_000) + "1}}", "", true},
	{"or", "{{" + strings.Repeat("0 or ", 30_000) + "1}}", "", true},
	{"targets", "% " + strings.Repeat("x = ", 30_000) + "1\n", "", true},
	{"white space before words", "% " + strings.Repeat(" ", 150_000) + strings.Repeat(")if", 30_000) + "\n", "SyntaxError", false},
	{"white space in a line of code", "% x = 1" + strings.Repeat(" ", 300_000) + "\n{{x}}", "", true},
	{"lines", strings.Repeat("\n", 300_000), "", true},

	// what is deep
	{"brackets", "{{" + strings.Repeat("(", 30_000) + "}}", "SyntaxError", false},
	{"lists", "{{" + strings.Repeat("[", 99) + strings.Repeat("]", 99) + "}}", "", true},
	{"signs", "{{" + strings.Repeat("-", 30_000) + "1}}", "SyntaxError", false},
	{"lambdas", "{{" + strings.Repeat("lambda: ", 190) + "1}}", "SyntaxError", false},
	{"comprehensions", "{{" + strings.Repeat("[", 90) + "1" + strings.Repeat(" for x in '1']", 90) + "}}", "SyntaxError", false},
	{"functions", func() string {
		var b strings.Builder
		for i := range 90 {
			fmt.Fprintf(&b, "%% def f%d():\n", i)
		}
		return b.String() + "% pass\n" + strings.Repeat("% end\n", 90)
	}(), "SyntaxError", false},
	{"elif", "% if 0:\n" + "% pass\n" + strings.Repeat("% elif 0:\n% pass\n", 2_000) + "% end\n", "SyntaxError", false},
	{"sums in brackets", "{{" + strings.Repeat("(", 90) + "1" + strings.Repeat(strings.Repeat("+1", 900)+")", 90) + "}}", "SyntaxError", false},
	{"f-strings in each other", "% x = " + `f"{f'{f"""{f'''{1}'''}"""}'}"`, "SyntaxError", false},
	{"format specs in each other", "{{f'{1:{2:{3:{4}}}}'}}", "SyntaxError", false},
	{"format specs at run time", "{{'{:{:{}}}'.format(1, 2, 3)}}", "ValueError", true},

	// what runs deep: the stack must stay small, or the whole program ends
	{"recursion within a large expression", "% def f(n):\n%   return f(n)" + strings.Repeat("+1", 900) + "\n% end\n{{f(1)}}", "RecursionError", true},
	{"recursion within many elif", "% def f(n):\n%   if 0:\n%     pass\n" + strings.Repeat("%   elif 0:\n%     pass\n", 900) + "%   else:\n%     return f(n)\n%   end\n% end\n{{f(1)}}", "RecursionError", true},
	{"recursion within a lambda", "% f = lambda n: f(n)" + strings.Repeat("+1", 900) + "\n{{f(1)}}", "RecursionError", true},
	{"recursion within a generator", "% def f(n):\n%   return next(f(n)" + strings.Repeat("+1", 900) + " for x in '1')\n% end\n{{f(1)}}", "RecursionError", true},
	{"recursion with many variables", "% def f(n):\n%   " + manyNames("a%d", 10_000) + " = range(10000)\n%   return f(n)\n% end\n{{f(1)}}", "MemoryError", true},
	{"generators of generators", "% g = iter([1])\n% for i in range(2000):\n%   g = (x" + strings.Repeat("+1", 500) + " for x in g)\n% end\n{{next(g)}}", "RecursionError", true},

	// what repeats large code in few statements
	{"a large condition", "% while " + strings.Repeat("0 or ", 30_000) + "1:\n%   pass\n% end\n", "TimeoutError", true},
	{"a large element", "{{[[" + strings.Repeat("0,", 50_000) + "][0] for x in range(10 ** 9)]}}", "Error", true},
	{"a large call", "% f = lambda *a: 0\n% while True:\n%   f(" + strings.Repeat("0,", 50_000) + ")\n% end\n", "Error", true},
	{"a large text", "% while True:\n%   try:\n" + strings.Repeat("x", 1<<20) + "{{1 / 0}}\n%   except ZeroDivisionError:\n%     pass\n%   end\n% end\n", "TimeoutError", true},
	{"errors with large messages", "% s = 'x' * 60000\n% while True:\n%   try:\n%     int(s)\n%   except ValueError:\n%     pass\n%   end\n% end\n", "Error", true},
	{"names that are not found", "% while True:\n%   try:\n%     include('x' * 100000)\n%   except Exception:\n%     pass\n%   end\n% end\n", "Error", true},
}

// TestHostileTemplates compiles and renders them. The limits on steps and
// memory end each: the clock has no say in it. They are smaller than the usual
// ones, to save time.
func TestHostileTemplates(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // the heap is measured
	engine := New(Options{Limits: Limits{Steps: 500_000, Memory: 24 << 20, Time: time.Minute}, Roots: []string{t.TempDir()}})
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			peak := watchHeap()
			template, err := engine.Compile("t.tpl", tt.source)
			if compiles := err == nil; compiles != tt.compiles {
				t.Errorf("it compiles: %t (%v)", compiles, err)
			}
			if err == nil {
				_, err = template.Render(t.Context(), nil)
			}
			grew := peak()
			var failed *Error
			switch {
			case err == nil && tt.kind != "":
				t.Errorf("no error, want %s", tt.kind)
			case err != nil && (!errors.As(err, &failed) || tt.kind == "" || !strings.HasSuffix(failed.Kind, tt.kind)):
				t.Errorf("error %.200v, want %q", err, tt.kind)
			case failed != nil && (failed.Line == 0 || len(failed.Error()) > maxMessage+100):
				t.Errorf("line %d, message of %d bytes", failed.Line, len(failed.Message))
			}
			if grew > 150<<20 {
				t.Errorf("the heap grew by %d MiB", grew>>20)
			}
		})
	}
}

// TestWorkIsCharged runs what handles n bytes or items in one go, and sees that
// the steps charged grow with n.
func TestWorkIsCharged(t *testing.T) {
	const n = 50_000
	const setup = `<%
import re, json, textwrap, base64, hashlib, hmac, html, ipaddress, itertools, math, os, random, string, datetime, copy, functools, uuid, urllib.parse, zlib, gzip, shlex, struct, collections
n = 50000
s, sp, u, b = 'x' * n, ' ' * n, 'é' * (n // 2), b'x' * n
s2, b2 = s[1:] + 'x', b[1:] + b'x'
lines = 'x\n' * (n // 2)
l = list(range(5000)) * 10
t = tuple(l)
d = dict.fromkeys(range(5000))
big = 3 ** 100000
%>`
	engine := New(Options{Limits: Limits{Steps: 1 << 40, Memory: 1 << 30, Time: time.Minute}})
	steps := func(t *testing.T, source string) int64 {
		t.Helper()
		tpl, err := engine.Compile("t.tpl", source)
		if err != nil {
			t.Fatal(err)
		}
		budget := engine.NewBudget()
		if _, err := tpl.RenderWithin(t.Context(), &budget, nil, nil); err != nil {
			t.Fatal(err)
		}
		used, _ := budget.left.Used()
		return used
	}
	base := steps(t, setup+"\n")
	for _, op := range []string{
		"s.find('y')", "s.rfind('y')", "s.index('x')", "s.count('y')", "s.replace('y', 'z')", "s.split('y')", "s.rsplit('y')", "s.split()",
		"s.strip('y')", "sp.strip()", "s.partition('y')", "s.rpartition('y')", "s.startswith(s2)", "s.endswith((s2, s2))",
		"s == s2", "s < s2", "s in s2", "s != s2", "b == b2", "b < b2", "[s] == [s2]", "s is s2", "[b] == [b2]", "s.removeprefix(s2)", "s.removesuffix(s2)",
		"s.isdigit()", "s.isalpha()", "sp.isspace()", "s.isidentifier()", "s.isascii()", "s.upper()", "u.casefold()", "s.title()", "s.zfill(9)",
		"s.ljust(9)", "s.center(n + 10)", "s.expandtabs()", "lines.splitlines()", "s.encode()", "u.encode('latin-1')", "s.format()",
		"'{}'.format(s)", "'{:>9}'.format(s)", "'%s' % s", "'%r' % s", "s % ()", "f'{s}'", "s.translate({})", "str.maketrans(s, s)",
		"s[5:6]", "u[5:6]", "s[::-1]", "u[::-1]", "s + 'x'", "b + b", "len(u)", "hash(s)", "hash(b)", "d.get(s)", "{s: 1}", "{(s,): 1}", "repr(s)", "ascii(u)",
		"list(s)", "set(s)", "sorted(s)", "max(s)", "''.join(s)", "b.decode()", "b.hex()", "bytes.fromhex('00' * n)", "b.find(b'y')",
		"list(itertools.groupby(s))", "list(itertools.chain(s, s))", "list(zip(s, s))", "list(enumerate(s))", "dict.fromkeys(s)",
		"json.dumps(s)", "json.loads('\"' + s + '\"')", "json.loads(sp + '1')", "re.search('y', s)", "re.sub('y', 'x', s)", "re.escape(s)",
		"textwrap.dedent(lines)", "textwrap.indent(lines, ' ')",
		"base64.b64encode(b)", "base64.b64decode(b'AAAA' * (n // 4))", "hashlib.sha256(b)", "hmac.new(b, b'x', 'sha256')", "html.escape(s)", "html.unescape('&lt;' * (n // 4))",
		"urllib.parse.quote(s)", "urllib.parse.unquote(s)", "os.path.normpath('../' * n)", "string.capwords(s)",
		"datetime.datetime(2024, 1, 1).strftime(s)", "random.seed(s)", "int(sp + '1')",
		"zlib.compress(b)", "zlib.decompress(zlib.compress(b))", "zlib.crc32(b)", "zlib.adler32(b, 5)", "gzip.compress(b)", "shlex.quote(s)", "shlex.split(s)",
		"struct.unpack(str(n) + 's', b)", "struct.calcsize(sp)", "u.encode('utf-16le')", "b.decode('utf-16le')",
		"u.encode('cp1252')", "b.decode('cp1252')", "urllib.parse.urlparse(s)",
		"collections.Counter(s)", "collections.deque(s)", "collections.Counter(l) + collections.Counter(l)",
	} {
		t.Run(op, func(t *testing.T) {
			if got := steps(t, setup+"\n% try:\n%   "+op+"\n% except ValueError:\n%   pass\n% end\n") - base; got < n/1024 {
				t.Errorf("%d steps for %d bytes", got, n)
			}
		})
	}
}
