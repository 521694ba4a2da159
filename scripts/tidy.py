#!/usr/bin/env python3
"""House rules that no compiler checks. Prints one line per offence; exit 1 if there is one.

  files under 600 lines, functions under 75; co_spawn only in rt, Beast and asio/ssl only in net, no detached work,
  no catch (...) that swallows a cancellation
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES = 600
FUNCTION_LINES = 75
BANS = (  # pattern, rooms where it is allowed, what to do instead
    (re.compile(r"\bco_spawn\b"), {"rt"}, "spawn in a rt::Group, which ends what it began"),
    (re.compile(r"#include\s*<boost/(beast|asio/ssl)"), {"net"}, "use the doors of net"),
    (re.compile(r"\basio::detached\b"), {"rt"}, "nothing runs unowned: use a rt::Group"),
    (re.compile(r"\.detach\(\)"), {"rt"}, "nothing runs unowned: use the blocking pool"),
)
OPENS_FUNCTION = re.compile(r"^( {0,2})[A-Za-z_~].*\)[^;]*\{$")


def room_of(path):
    parts = os.path.relpath(path, ROOT).split(os.sep)
    return parts[2] if parts[0] == "include" else parts[1]


def code_of(line):
    """Without comments and text literals."""
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def long_functions(lines):
    """(line, length) of functions that begin in column 0 or 2 and end with a brace in the same column."""
    begin = column = None
    for number, line in enumerate(lines, 1):
        found = OPENS_FUNCTION.match(line)
        is_scope = re.match(r"^\s*(namespace|class|struct|enum|union|extern|TEST_CASE|SECTION)\b", line)
        if begin is None and found and not is_scope:
            begin, column = number, found.group(1)
        elif begin is not None and line.startswith(column + "}"):
            if number - begin + 1 > FUNCTION_LINES:
                yield begin, number - begin + 1
            begin = None


def swallows(lines, number):
    """A catch (...) whose block does not throw again."""
    block = "".join(code_of(line) for line in lines[number - 1 : number + 11])
    return re.search(r"\bthrow\s*;|rethrow_exception|current_exception|terminate", block) is None


def offences(path):
    with open(path, encoding="utf-8") as opened:
        lines = opened.read().splitlines()
    room = room_of(path)
    if len(lines) > FILE_LINES:
        yield 1, f"{len(lines)} lines; a file has at most {FILE_LINES}"
    for number, line in enumerate(lines, 1):
        code = code_of(line)
        for pattern, rooms, instead in BANS:
            if room not in rooms and pattern.search(code):
                yield number, f"{pattern.pattern}: {instead}"
        if re.search(r"catch\s*\(\s*\.\.\.\s*\)", code) and swallows(lines, number):
            yield number, "catch (...) swallows cancellation: catch what you expect"
    if not path.endswith("_test.cc"):
        for number, length in long_functions(lines):
            yield number, f"a function of {length} lines; at most {FUNCTION_LINES}"


def main():
    paths = []
    for top in ("src", "include"):
        for ending in ("cc", "h"):
            paths += glob.glob(os.path.join(ROOT, top, "**", "*." + ending), recursive=True)
    count = 0
    for path in sorted(paths):
        for number, text in offences(path):
            count += 1
            print(f"{os.path.relpath(path, ROOT)}:{number}: {text}")
    print(f"tidy: {len(paths)} files, {count} offences")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
