#!/usr/bin/env python3
"""Write what Python 3.11 answers into the tables of module cases.

The *.txt files beside this script hold expressions, each with its answer:

    > base64.b64encode(b'x')
    = b'eA=='
    > math.sqrt(-1)
    ! ValueError: math domain error

A case is one or more lines ("> "): the last is an expression, those before it
are statements. It is followed by the lines of its repr ("= ") or by the error
("! Kind: message"). A file's lines "< " are statements that run before each of
its cases. Lines that begin with "#" are comments.

Run it after adding cases: it rewrites all answers in place. Give only cases
that are the same on every machine, at every time.
"""

import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).parent


def answer(prelude, lines):
    env = {"__name__": "case"}
    exec("\n".join(prelude), env)
    try:
        exec("\n".join(lines[:-1]), env)
        text = repr(eval(lines[-1], env))
    except SyntaxError as e:
        sys.exit(f"{lines}: {e}")
    except Exception as e:
        return [f"! {type(e).__name__}: {e}" if str(e) else f"! {type(e).__name__}"]
    return [f"= {line}".rstrip() for line in text.split("\n")]


def regenerate(path):
    """Rewrite the answers of one file and return its number of cases."""
    prelude, result, case, count = [], [], [], 0
    for line in path.read_text().splitlines() + [""]:
        if line.startswith(">"):
            case.append(line[2:])
            continue
        if case:
            result += [f"> {text}".rstrip() for text in case]
            result += answer(prelude, case)
            case, count = [], count + 1
        if line.startswith("<"):
            prelude.append(line[2:])
        if line.startswith(("<", "#")):
            result.append(line)
    path.write_text("\n".join(result) + "\n")
    return count


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.version_info[:2] != (3, 11):
        sys.exit("the tables are of Python 3.11, this is %d.%d" % sys.version_info[:2])
    print(sum(regenerate(file) for file in sorted(HERE.glob("*.txt"))), "cases")
