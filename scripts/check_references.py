"""Rejects comments and texts that cite a document outside the repository: a reader could not look it up.

State the reason in a clause instead, or link to a page in docs/. Prints file:line of each, exits 1 if there is any.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUFFIXES = {".py", ".html", ".txt", ".md", ".js", ".css", ".toml", ".in", ".yml", ".yaml", ".json", ".sh", ""}
# Generated, or not ours to word.
SKIPPED_FOLDERS = {"var", "node_modules", "__pycache__", "data"}
SKIPPED_FILES = {"LICENSE", "check_references.py", "test_check_references.py"}
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


def citations(text: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of each line with a citation."""
    for number, line in enumerate(text.splitlines(), 1):
        if CITATIONS.search(line):
            yield number, line.strip()


def files() -> Iterator[Path]:
    """Our own text files. By suffix and not by git, so that the check also works on a copy without history."""
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
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
