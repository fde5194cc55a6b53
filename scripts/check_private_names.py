"""Rejects tests that use private names: those with a leading underscore that are defined in another file.

Such a test checks how the code is written, not what it does. Use the public interface, or make a name public if tests have a good reason
to use it. Prints the file and line of each and exits 1 if there are any.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Documented despite the underscore: Model._meta, namedtuple._replace, os._exit.
PUBLIC = {"_meta", "_replace", "_exit"}
OWN = {"self", "cls", "super"}
SETTERS = {"setattr", "delattr", "getattr"}


def private_names(source: str) -> Iterator[tuple[int, str]]:
    """(line number, name) of each private name that is used and not defined in the same file."""
    tree = ast.parse(source)
    own = set(_defined(tree))
    for node in ast.walk(tree):
        for name in _used(node):
            if name.startswith("_") and not name.endswith("__") and name not in own | PUBLIC:
                yield node.lineno, name  # type: ignore[attr-defined]


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            yield node.attr


def _used(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and not _is_own(node.value):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Call) and _name_of(node.func) in SETTERS:
        # setattr(module, "_name", …), monkeypatch.setattr("module._name", …)
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        yield from (text.rpartition(".")[2] for text in texts[:1])


def _is_own(value: ast.expr) -> bool:
    return _name_of(value.func if isinstance(value, ast.Call) else value) in OWN


def _name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def main() -> int:
    found = 0
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for line, name in private_names(path.read_text()):
            print(f"{path.relative_to(ROOT)}:{line}: {name} is private")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
