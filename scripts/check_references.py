"""Rejects what readers cannot look up: citations of documents outside the repository, and names of modules and files that do not exist.

State the reason in a clause instead, or link to a page in docs/. Module names are checked in docstrings, comments and Markdown. Prints
the file and line of each and exits 1 if there are any.
"""

import ast
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUFFIXES = {".py", ".html", ".txt", ".md", ".js", ".css", ".toml", ".in", ".yml", ".yaml", ".json", ".sh", ""}
# Generated, or not written by us.
SKIPPED_FOLDERS = {"var", "node_modules", "__pycache__", "data"}
SKIPPED_FILES = {"LICENSE", "check_references.py", "test_check_references.py"}
# The changelog uses old names.
UNCHECKED_NAMES = {"CHANGELOG.md"}
CITATIONS = re.compile(
    r"""
    \bcontract\b                      # "contract §5"; agreements between modules are protocols, base classes, rules
    | (?<![a-z])the[\ _](public[\ _])?reference(?!s)  # say "the documented example", or name the page under /docs
    | \(reference,\ [A-Z\"]
    | \bthe\ spec(ification)?\b
    | \bmedia-path\b | \badvice\ \d
    | \bissue\ \#?\d                   # link to a public tracker by its whole URL
    | \brow\ [a-z]\d
    | \b(contract|english|wire|embed|style)\.md\b | \bapi-reference\.txt\b | \.\./shared\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
MODULE = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+(?![\w/-])")
FILE = re.compile(r"(?<![\w./<>{}:-])(?:[\w-]+/)+[\w-]+\.(?:py|html|js|css|md)\b")
# Webhook events, and names from other programs.
OTHER_NAMES = re.compile(
    r"billing\.(cap|auto_topup)\.|bubblyphone\.(tar|target|command|call_id)\b|\w+\.(md|py|example)\b"
)


def citations(text: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of each line with a citation."""
    for number, line in enumerate(text.splitlines(), 1):
        if CITATIONS.search(line):
            yield number, line.strip()


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of a Python file's docstrings and comments, and of each line of a Markdown file."""
    text = path.read_text()
    if path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
        return
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node):
            first = node.body[0]
            yield first.lineno, ast.get_source_segment(text, first) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def missing(text: str) -> Iterator[str]:
    """The modules and files that a text names and that do not exist."""
    for match in MODULE.finditer(text):
        if not OTHER_NAMES.match(match.group()) and not module_exists(match.group()):
            yield match.group()
    for match in FILE.finditer(text):
        if not file_exists(match.group()):
            yield match.group()


@cache
def module_exists(name: str) -> bool:
    """Whether a dotted name is a package, a module, or something that its module mentions."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:count])
        for module in (folder.with_suffix(".py"), folder / "__init__.py"):
            if module.exists():
                return count == len(parts) or re.search(rf"\b{parts[count]}\b", module.read_text()) is not None
        if folder.is_dir() and count == len(parts):
            return True
    return False


@cache
def file_exists(name: str) -> bool:
    """Whether a file has this path, relative to the root or to any other folder."""
    return any(path.endswith(f"/{name}") for path in paths())


@cache
def paths() -> list[str]:
    return [path.as_posix() for path in files()]


def files() -> Iterator[Path]:
    """Our own text files. Found by suffix instead of with git, so that the check also works on a copy without history."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(
            name for name in folders if (name == ".github" or name[0] != ".") and name not in SKIPPED_FOLDERS
        )
        for name in sorted(names):
            if Path(name).suffix in SUFFIXES and name not in SKIPPED_FILES:
                yield Path(folder, name)


def main() -> int:
    found = 0
    for path in files():
        for number, line in citations(path.read_text(errors="replace")):
            print(f"{path.relative_to(ROOT)}:{number}: cites a document outside the repository: {line[:120]}")
            found += 1
        is_checked = path.suffix in {".py", ".md"} and path.name not in UNCHECKED_NAMES
        if is_checked and any(missing(path.read_text())):  # parsing every file would take long
            for number, text in prose(path):
                for name in missing(text):
                    print(f"{path.relative_to(ROOT)}:{number}: names a module or file that does not exist: {name}")
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
