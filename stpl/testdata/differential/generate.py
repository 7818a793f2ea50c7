"""Make random templates and tell what Debian's python3-bottle makes of them.

usage: generate.py SEED COUNT

Prints one JSON object a line: source, and text or error (the exception's
name). The variables of all templates are in VARIABLES.
"""
import gc
import json
import random
import resource
import sys
import warnings

import bottle

warnings.simplefilter("ignore")

VARIABLES = {
    "n": 3, "m": -7, "z": 0, "f": 2.5, "s": "web-01", "e": "", "u": "Größe ß",
    "l": [3, 1, 2], "w": ["b", "a", "c"], "d": {"a": 1, "b": [1, 2]}, "t": True, "none": None,
}


class Maker:
    def __init__(self, rnd):
        self.rnd = rnd
        self.names = list(VARIABLES)
        self.functions = []
        self.lines = []

    def pick(self, *options):
        return self.rnd.choice(options)

    def atom(self):
        r = self.rnd.random()
        if r < 0.55:
            return self.rnd.choice(self.names)
        return self.pick(
            "1", "0", "-2", "10", "2.0", "'x'", '"a b"', "''", "None", "True", "[]", "{}", "(1, 2)", "[1, 'a', None]",
            "{'k': 1}", "{1, 2}", "range(3)", "'%s'", "'a,b,,c'", "b'xy'", "'\\u00e9'", "1e3", "0x1f", "'{}'", "(5,)")

    def expr(self, depth):
        if depth <= 0:
            return self.atom()
        sub = lambda: self.expr(depth - 1 - self.rnd.randrange(2))
        kind = self.rnd.randrange(16)
        if kind == 0:
            return "(%s %s %s)" % (sub(), self.pick("+", "-", "*", "//", "%", "/", "&", "|", "^"), sub())
        if kind == 1:
            return "(%s %s %s)" % (sub(), self.pick("<", "<=", "==", "!=", ">", ">=", "in", "not in", "is", "is not"), sub())
        if kind == 2:
            return "(%s %s %s)" % (sub(), self.pick("and", "or"), sub())
        if kind == 3:
            return "(%s if %s else %s)" % (sub(), sub(), sub())
        if kind == 4:
            return "%s[%s]" % (sub(), self.pick("0", "1", "-1", "'a'", ":2", "1:", "::-1", "::2", "n", "-2:", "5"))
        if kind == 5:
            return "%s.%s" % (sub(), self.pick(
                "upper()", "title()", "split(',')", "split()", "strip('w')", "replace('a', 'zz')", "join(['p', 'q'])", "startswith('w')",
                "zfill(8)", "center(9, '*')", "rjust(4)", "partition('-')", "count('a')", "find('b')", "index('b')", "encode()",
                "isdigit()", "splitlines()", "keys()", "items()", "get('a')", "get('q', 7)", "copy()", "values()", "swapcase()",
                "casefold()", "capitalize()", "rsplit('-', 1)", "lstrip('bw')", "format(n)", "bit_length()", "expandtabs()",
                "rpartition('a')", "removeprefix('web')", "isalnum()", "union([9])", "hex()", "real"))
        if kind == 6:
            return "%s(%s)" % (self.pick(
                "len", "str", "repr", "int", "float", "list", "tuple", "sorted", "set", "bool", "abs", "sum", "max", "min", "dict",
                "any", "all", "type", "round", "bin", "hex", "chr", "ord", "enumerate", "reversed", "ascii", "frozenset"), sub())
        if kind == 7:
            return "[%s for i in %s%s]" % (self.pick("i", "(i, n)", "str(i)", "i * 2"), sub(), self.pick("", " if i", " if i != 'a'"))
        if kind == 8:
            return "[%s, %s]" % (sub(), sub())
        if kind == 9:
            return "{%s: %s}" % (self.pick("'k'", "1", "n", "s", "None"), sub())
        if kind == 10:
            return "'%s' %% %s" % (self.pick("%s", "%d", "%05d", "%r", "%-6s|", "%x", "%.2f", "%s-%s", "%+d", "%e", "%c", "%%", "%5.1f"), self.pick(sub(), "(%s, %s)" % (sub(), sub())))
        if kind == 11:
            return "'%s'.format(%s)" % (self.pick("{}", "{0!r}", "{:>8}", "{:05}", "{0}{0}", "{:,}", "{:x}", "{:.1f}", "{:^7}|", "{0[0]}", "{:e}", "{:%}"), sub())
        if kind == 12:
            return 'f"%s"' % self.pick("{%s}", "{%s!r}", "a{%s:>6}b", "{%s:}", "{%s}%%") .replace("%s", sub().replace('"', "'").replace("\\", "") if self.rnd.random() < 2 else "n").replace("%%", "%")
        if kind == 13:
            return "(not %s)" % sub()
        if kind == 14:
            return "(-%s)" % sub()
        return "(lambda x: %s)(%s)" % (self.pick("x", "[x, x]", "str(x)", "x + x", "x or n"), sub())

    def put(self, depth, text):
        self.lines.append("  " * depth * self.rnd.randrange(2) + text)

    def statement(self, depth):
        kind = self.rnd.randrange(12)
        if kind < 3 or depth > 3:
            self.lines.append(self.pick("plain $text\n", "a {{%s}} b\n", "{{!%s}}\n", "{{%s}}-{{%s}}\\\\\n", "  - {{%s}}\n", "x\\\\\n").replace(
                "%s", self.inline()))
        elif kind < 5:
            name = self.pick("v", "q", "s", "l")
            self.put(depth, "%% %s = %s\n" % (name, self.expr(2)))
            if name not in self.names and depth == 0:
                self.names.append(name)
        elif kind == 5:
            self.put(depth, "%% if %s:\n" % self.expr(2))
            self.body(depth + 1)
            if self.rnd.random() < 0.4:
                self.put(depth, self.pick("% else:\n", "% elif n > 2:\n"))
                self.body(depth + 1)
            self.put(depth, "% end\n")
        elif kind == 6:
            self.put(depth, "%% for i in %s:\n" % self.expr(1))
            self.body(depth + 1)
            if self.rnd.random() < 0.3:
                self.put(depth + 1, self.pick("% break\n", "% continue\n"))
            self.put(depth, "% end\n")
        elif kind == 7:
            self.put(depth, "% try:\n")
            self.body(depth + 1)
            self.put(depth, "%% except %s as err:\n" % self.pick("Exception", "TypeError", "(KeyError, ValueError)", "LookupError"))
            self.lines.append("caught {{!type(err).__name__}}\n")
            if self.rnd.random() < 0.3:
                self.put(depth, "% finally:\n")
                self.lines.append("last\n")
            self.put(depth, "% end\n")
        elif kind == 8 and depth == 0:
            name = "fn%d" % len(self.functions)
            self.put(depth, "%% def %s(x, y=%s):\n" % (name, self.atom()))
            self.body(depth + 1)
            self.put(depth, "%%   return %s\n" % self.pick("x", "y", "[x, y]", "x + y"))
            self.put(depth, "% end\n")
            self.functions.append(name)
            self.lines.append("{{%s(%s)}}\n" % (name, self.inline()))
        elif kind == 9:
            self.put(depth, "%% %s %s %s\n" % (self.pick("n", "s", "l", "w"), self.pick("+=", "*=", "-="), self.expr(1)))
        elif kind == 10:
            self.lines.append("<%% %s = %s\n%s = 5 %%>\n" % (self.pick("v", "k"), self.expr(1), self.pick("h", "k")))
        else:
            self.put(depth, self.pick("% a, *b = l\n", "% a, b = s.split('-')\n", "% # note\n", "% w.sort()\n", "% l.append(n)\n",
                                      "% d['q'] = s\n", "% del l[0]\n", "% assert n, 'no'\n", "% setdefault('dd', 4)\n"))

    def inline(self):
        text = self.expr(2)
        return "n" if "}}" in text or "{{" in text else text

    def body(self, depth):
        for _ in range(1 + self.rnd.randrange(2)):
            self.statement(depth)

    def template(self):
        for _ in range(2 + self.rnd.randrange(5)):
            self.statement(0)
        return "".join(self.lines)


def answer(source):
    case = {"source": source}
    try:
        case["text"] = bottle.SimpleTemplate(source).render(json.loads(json.dumps(VARIABLES)))
    except MemoryError:
        raise
    except Exception as e:  # whatever a template may raise
        case["error"] = type(e).__name__
        case["message"] = str(e)
    return json.dumps(case)


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # some want it all
    print(json.dumps({"variables": VARIABLES}))
    for i in range(count):
        source = Maker(random.Random(seed * 1000003 + i)).template()
        try:
            print(answer(source))
        except MemoryError:
            gc.collect()  # a template's functions and its variables hold each other


main()
