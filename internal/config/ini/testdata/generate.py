#!/usr/bin/env python3
"""Write configparser.json: INI texts and what Python's configparser makes of them.

Run by hand in this directory, with Python 3.11: python3 generate.py
The hand-written texts show one rule each; the random ones mix fragments.
"""

import configparser
import json
import os
import random
import tempfile

HAND = {
    "plain": "[a]\nx = 1\ny=2\n",
    "colon": "[a]\nx: 1\ny : 2\n",
    "first delimiter counts": "[a]\nx = a=b:c\ny : a:b=c\n",
    "crypt hash": "[mdserver]\npassword = $6$rounds=4096$saltsalt$abcDEF./0123\n",
    "keys in lower case": "[A]\nKeY = Value\n",
    "sections keep their case": "[A]\nx = 1\n[a]\nx = 2\n",
    "comments": "# c\n; c\n[a]\n  # c\nx = 1 # not a comment\ny = 1 ; nor this\n",
    "several lines": "[a]\nx = 1\n  2\n\t3\ny = 4\n",
    "several lines, comment between": "[a]\nx = 1\n# c\n  2\n  # d\n  3\n",
    "several lines, blank between": "[a]\nx = 1\n\n  2\n\n\n  3\n\n\ny = 1\n",
    "value on the next line": "[a]\nx =\n  1\n  2\n",
    "equals sign in a further line": "[a]\nx = 1\n  y = 2\n",
    "section in a further line": "[a]\nx = 1\n  [b]\n",
    "indented keys": "[a]\n  x = 1\n  y = 2\n    z = 3\n w = 4\n",
    "indented section": "  [a]\n  x = 1\n",
    "indented less": "[a]\n    x = 1\n  y = 2\n   z = 3\n",
    "default": "[DEFAULT]\nx = 1\ny = 2\n[a]\nz = 3\nx = 4\n[b]\n",
    "default later": "[a]\nz = 3\n[DEFAULT]\nx = 1\n",
    "default in two parts": "[DEFAULT]\nx = 1\n[a]\nz = 3\n[DEFAULT]\ny = 1\n",
    "default twice the same": "[DEFAULT]\nx = 1\n[DEFAULT]\nx = 1\n",
    "default lower case": "[default]\nx = 1\n[a]\n",
    "percent": "[a]\nx = 100%%\ny = %%(x)s\n",
    "reference": "[a]\nx = 1\ny = <%(x)s> %(X)s\n",
    "reference to default": "[DEFAULT]\nbase = /srv\n[a]\ndir = %(base)s/a\n[b]\nbase = /opt\ndir = %(base)s/b\n",
    "reference in default": "[DEFAULT]\nd = %(n)s!\n[a]\nn = 1\n[b]\nn = 2\n",
    "reference to a reference": "[a]\nx = %(y)s\ny = %(z)s\nz = 1\n",
    "reference with percent": "[a]\nx = %(y)s\ny = 50%%\n",
    "ten deep": "[a]\n" + "".join(f"k{i} = %(k{i + 1})s\n" for i in range(10)) + "k10 = end\n",
    "eleven deep": "[a]\n" + "".join(f"k{i} = %(k{i + 1})s\n" for i in range(11)) + "k11 = end\n",
    "circle": "[a]\nx = %(y)s\ny = %(x)s\nz = 1\n",
    "reference to nothing": "[a]\nx = %(none)s\ny = 1\n",
    "reference to another section": "[a]\nx = 1\n[b]\ny = %(x)s\n",
    "lone percent": "[a]\nx = 100%\ny = %d\nz = a % b\n",
    "broken reference": "[a]\nx = %(y\nz = %(y)d\nw = %()s\n",
    "odd reference": "[a]\na(b = 1\nx = %(a(b)s\n",
    "duplicate key": "[a]\nx = 1\ny = 2\nX = 3\n",
    "duplicate key in default": "[DEFAULT]\nx = 1\nx = 2\n",
    "duplicate section": "[a]\nx = 1\n[b]\n[a]\ny = 2\n",
    "no section": "x = 1\n[a]\n",
    "no section, comment": "# only\n\n",
    "empty": "",
    "no newline at the end": "[a]\nx = 1",
    "no delimiter": "[a]\nx\ny = 1\n",
    "no key": "[a]\n= 1\ny = 1\n",
    "empty value": "[a]\nx =\ny =\n",
    "spaces in keys": "[a]\n  first key  = 1\n",
    "empty section name": "[]\nx = 1\n",
    "bracket in name": "[a]b]\nx = 1\n",
    "text after the section": "[a] # c\nx = 1\n[b]=c\n",
    "unclosed section": "[a]\n[b\nx = 1\n",
    "unclosed section with delimiter": "[a]\n[b = 1\n",
    "windows": "[a]\r\nx = 1\r\n  2\r\ny = 3\r\n",
    "old mac": "[a]\rx = 1\r  2\ry = 3\r",
    "other spaces": "[a]\nx\u00a0=\u00a01\u2003\n\u00a0\u00a02\ny\x1f= 3\x1c\n",
    "form feed": "[a]\nx = 1\f2\n\f3\n",
    "unicode": "[\u00e4]\n\u00dcber = \u00fc\u20ac\U0001f600\n",
    "spaces only lines": "[a]\nx = 1\n   \n   2\n",
    "comment signs in values": "[a]\nx = #1\ny = ;1\nz = a#b\n",
    "comment without space": "[a]\n#x = 1\n;y = 2\nz = 3\n",
    "quotes": "[a]\nx = 'a b'\ny = \"c\"\n",
    "include lists": "[_include_]\ndirectories = /a:/b\nfiles = /c:/d\n",
    "suffixes": "[mdserver]\nuserdata_suffixes = :.yaml\nother : :\n",
}

FRAGMENTS = [
    "[a]", "[b]", "[DEFAULT]", "[c] x", "x = 1", "y: two", "Z=%(x)s", "w = %(y)s %%", "v = %", "u",
    "= t", "  more", "    deeper = 1", "\tt = 1", "", "  ", "# c", "  ; c", "s = a: b", "r : c = d",
    "q =", "p = %(o)s", "o = %(p)s", "[", "]", "n = [x]", "m = # c", "l\u00a0= \u00e9",
]


def outcome(text):
    """What a program sees that reads the text from a file."""
    parser = configparser.ConfigParser()
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(text.encode())
        try:
            parser.read(name, encoding="utf-8")
        except configparser.Error as e:
            return {"error": type(e).__name__}
    finally:
        os.unlink(name)
    sections = []
    for section in parser.sections():
        entries = []
        for key in parser[section]:
            try:
                entries.append({"key": key, "value": parser.get(section, key)})
            except configparser.Error as e:
                entries.append({"key": key, "error": type(e).__name__})
        # ConfigParser.items() lists what comes from DEFAULT first.
        order = list(dict.fromkeys([*parser.defaults(), *parser._sections[section]]))
        entries.sort(key=lambda e: order.index(e["key"]))
        sections.append({"name": section, "entries": entries})
    return {"sections": sections}


def main():
    texts = dict(HAND)
    rand = random.Random(20)
    for i in range(300):
        body = rand.choices(FRAGMENTS, k=rand.randint(1, 6))
        lines = body if rand.random() < 0.1 else ["[a]", *rand.sample(FRAGMENTS[4:9], 2), *body]
        if i % 3 == 0:
            lines = list(dict.fromkeys(lines))
        texts[f"random {i}"] = "\n".join(lines) + "\n"
    table = [{"name": n, "text": t, **outcome(t)} for n, t in texts.items()]
    with open("configparser.json", "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n")


if __name__ == "__main__":
    main()
