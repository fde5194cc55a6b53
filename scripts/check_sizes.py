"""Rejects files of more than 400 lines (Python, templates, stylesheets, scripts) and Python functions of more than 40.

Longer units are hard to change safely. Prints the file and line of each and exits 1 if there are any, or if an exception is no longer
needed.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = (
    "accounts",
    "agents",
    "billing",
    "bubblyphone",
    "calls",
    "phone_numbers",
    "sandbox",
    "scripts",
    "staff",
    "tests",
    "webhooks",
)
PAGES = {"static/css": "*.css", "static/js": "*.js", "templates": "*.html"}
FILE_LINES = 400
FUNCTION_LINES = 40
# A test may list every field of an object, one per line, or follow a call from its first event to its charge. Splitting it would make it
# harder to read.
TEST_FUNCTION_LINES = 65
# Django generates migrations. A released one cannot be split, because installations record its name.
GENERATED = "migrations"
# File, or file:function → why it may be longer.
EXCEPTIONS = {
    "calls/session/call_session.py:__init__": "Takes a session's nineteen parameters and connects its components, one line for each.",
}


def problems(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """(file or file:function, first line, number of lines, maximum) of each that is too long."""
    source, name = path.read_text(), path.relative_to(ROOT).as_posix()
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield name, 1, lines, FILE_LINES
    bound = TEST_FUNCTION_LINES if name.startswith("tests/") else FUNCTION_LINES
    for node in ast.walk(ast.parse(source)) if path.suffix == ".py" else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            if lines > bound:
                yield f"{name}:{node.name}", node.lineno, lines, bound


def files() -> Iterator[Path]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if GENERATED not in path.parts:
                yield path
    for folder, pattern in PAGES.items():
        yield from sorted((ROOT / folder).rglob(pattern))


def main() -> int:
    found = 0
    excused = set()
    for path in files():
        for name, line, lines, bound in problems(path):
            if name in EXCEPTIONS:
                excused.add(name)
                continue
            print(f"{path.relative_to(ROOT)}:{line}: {name.rpartition(':')[2]} has {lines} lines, more than {bound}")
            found += 1
    for name in sorted(EXCEPTIONS.keys() - excused):
        print(f"scripts/check_sizes.py: {name} is no longer too long: remove its exception")
        found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
