"""Rejects migrations that are incompatible with the previous release: during an upgrade, old and new code use the same database.

Old code must find what it reads and writes: no column or table is removed, renamed or narrowed, and a new column has a value when old
code inserts a row without it (`null=True` or `db_default`). It must be able to write while an index is
built. docs/upgrading.md describes how to make each change in two releases.

A migration that does one of these safely states why: `safe_with_old_code = "…"`. So does one with RunSQL or RunPython. Requires
settings, like `manage.py`. Prints each problem and exits 1 if there are any.
"""

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")

import django  # noqa: E402

django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.postgres.operations import AddIndexConcurrently  # noqa: E402
from django.db.migrations import operations  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from django.db.migrations.migration import Migration  # noqa: E402
from django.db.migrations.operations.base import Operation  # noqa: E402
from django.db.migrations.state import ProjectState  # noqa: E402
from django.db.models import Field, ManyToManyField  # noqa: E402
from django.db.models.fields import NOT_PROVIDED  # noqa: E402

MARK = "safe_with_old_code"
GONE = {
    operations.RemoveField: "removes a column",
    operations.DeleteModel: "removes a table",
    operations.RenameField: "renames a column",
    operations.RenameModel: "renames a table",
    operations.AlterModelTable: "renames a table",
    operations.AddConstraint: "forbids rows that old code may write",
    operations.RunSQL: "runs custom SQL",
    operations.RunPython: "runs custom code",
}


def problems_of(migration: Migration, state: ProjectState) -> Iterator[str]:
    """What is incompatible with old code. `state` is the state before the migration, and is advanced past it."""
    made = set()
    for operation in migration.operations:
        if isinstance(operation, operations.CreateModel):
            made.add(operation.name_lower)
        elif _model_of(operation) not in made:  # old code does not use new tables
            yield from _problems(operation, migration.app_label, state)
        operation.state_forwards(migration.app_label, state)


def _model_of(operation: Operation) -> str:
    name = getattr(operation, "model_name", "") or getattr(operation, "name", "")
    return str(name).lower()


def _problems(operation: Operation, app: str, state: ProjectState) -> Iterator[str]:
    for kind, why in GONE.items():
        if isinstance(operation, kind):
            yield f"{why}: {operation.describe()}"
    if isinstance(operation, operations.AddIndex) and not isinstance(operation, AddIndexConcurrently):
        yield f"blocks writes while the index is built (AddIndexConcurrently): {operation.describe()}"
    if isinstance(operation, operations.AddField) and not _has_value(operation.field):
        yield f"adds a column without a value for rows that old code inserts (null=True or db_default): {operation.describe()}"
    if isinstance(operation, operations.AlterField):
        old = state.models[app, operation.model_name_lower].fields[operation.name]
        if why := _narrowing(old, operation.field):
            yield f"{why}: {operation.describe()}"


def _has_value(field: Field) -> bool:
    return isinstance(field, ManyToManyField) or field.null or field.db_default is not NOT_PROVIDED


def _narrowing(old: Field, new: Field) -> str:
    if old.get_internal_type() != new.get_internal_type():
        return "changes a column's type"
    if old.null and not new.null:
        return "forbids null where old code may write it"
    if _has_value(old) and not _has_value(new):
        return "removes the default of a column that old code leaves out"
    if new.unique and not old.unique:
        return "forbids rows that old code may write"
    for limit in ("max_length", "max_digits", "decimal_places"):
        before, after = getattr(old, limit, None), getattr(new, limit, None)
        if after is not None and (before is None or after < before):
            return "makes a column narrower"
    return ""


def check() -> Iterator[str]:
    """One line for each problem in our own apps' migrations, except in initial ones, because no older code runs with them."""
    graph = MigrationLoader(None).graph
    state = ProjectState()
    # Each migration comes after those that it depends on.
    for key in dict.fromkeys(key for leaf in sorted(graph.leaf_nodes()) for key in graph.forwards_plan(leaf)):
        migration = graph.nodes[key]
        if migration.initial or not _is_ours(key[0]) or hasattr(migration, MARK):
            migration.mutate_state(state, preserve=False)
            continue
        for problem in problems_of(migration, state):
            yield f"{key[0]}.{key[1]} {problem}"


def _is_ours(app: str) -> bool:
    return not Path(apps.get_app_config(app).path).is_relative_to(sysconfig.get_path("purelib"))


if __name__ == "__main__":
    found = list(check())
    for line in found:
        print(line)
    if found:
        print(f"{len(found)} problems. See “Migrations” in docs/upgrading.md.")
    sys.exit(bool(found))
