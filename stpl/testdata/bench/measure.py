"""Compile and render a template with Debian's python3-bottle.

usage: measure.py compile|render|text TEMPLATE VARS.json COUNT

Prints nanoseconds for each of COUNT rounds, or the rendered text.
"""
import json
import sys
import time

import bottle

what, template, variables, count = sys.argv[1:]
source = open(template, encoding="utf-8").read()
values = json.load(open(variables, encoding="utf-8"))
values = values.get("a", values) if isinstance(values.get("a"), dict) else values
count = int(count)


def compile_it():
    compiled = bottle.SimpleTemplate(source)
    compiled.co  # bottle compiles when this is first asked for
    return compiled


if what == "text":
    sys.stdout.write(compile_it().render(values))
    sys.exit()
compiled = compile_it()
compiled.render(values)
start = time.perf_counter_ns()
for _ in range(count):
    compile_it() if what == "compile" else compiled.render(values)
print((time.perf_counter_ns() - start) / count)
