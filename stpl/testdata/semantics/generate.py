#!/usr/bin/env python3
"""Write what Python 3.11 answers into the table of semantics.

The *.txt files beside this script hold cases like those of a Python console:

    > 7 // -2
    = -4
    > 1 / 0
    ! ZeroDivisionError: division by zero

A case is one or more lines of code ("> "). An expression is followed by the
lines of its repr ("= ") and, if it is no string and its str() differs, of its
str ("~ "); statements are followed by what they print ("= "). A case that
raises ends in a line "! Kind: message"; of a syntax error, only the kind counts.
Lines that begin with "#" are comments.

Run it after adding cases: it rewrites all answers in place.
"""

import contextlib
import io
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def mark(sign, text):
    return [f"{sign} {line}".rstrip() for line in text.split("\n")]


def answer(code):
    """Return the lines that follow a case."""
    out = io.StringIO()
    lines = []
    env = {}
    try:
        with contextlib.redirect_stdout(out):
            try:
                expression = compile(code, "case", "eval")
            except SyntaxError:
                expression = None
            if expression is not None:
                value = eval(expression, env)
                lines = mark("=", repr(value))
                if not isinstance(value, str) and str(value) != repr(value):
                    lines += mark("~", str(value))
            else:
                exec(compile(code, "case", "exec"), env)
    except SyntaxError:
        lines = ["! SyntaxError"]
    except Exception as e:
        lines = [f"! {type(e).__name__}: {e}" if str(e) else f"! {type(e).__name__}"]
    printed = out.getvalue()
    if printed:
        lines = mark("=", printed.removesuffix("\n")) + lines
    return lines


def regenerate(path):
    """Rewrite the answers of one file and return its number of cases."""
    result, case, count = [], [], 0

    def finish():
        nonlocal count
        if not case:
            return
        if len(case) > 1 and result and result[-1] != "":
            result.append("")
        result.extend(f"> {line}".rstrip() for line in case)
        lines = answer("\n".join(case))
        if not lines:
            sys.exit(f"{path}: this case has no answer: {case}")
        result.extend(lines)
        if len(case) > 1:
            result.append("")
        case.clear()
        count += 1

    for line in path.read_text().splitlines():
        if line.startswith(">"):
            case.append(line[2:])
            continue
        finish()
        if line.startswith("#"):
            if result and result[-1] != "" and not result[-1].startswith("#"):
                result.append("")
            result.append(line)
    finish()
    path.write_text("\n".join(result).rstrip("\n") + "\n")
    return count


if __name__ == "__main__":
    if sys.version_info[:2] != (3, 11):
        sys.exit("the table is of Python 3.11, this is %d.%d" % sys.version_info[:2])
    total = 0
    for file in sorted(HERE.glob("*.txt")):
        total += regenerate(file)
    print(total, "cases")
