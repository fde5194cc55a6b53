"""scripts/check_migrations.py: operations that the previous release's code cannot handle. Also, the changelog has the current version."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from bubblyphone.version import VERSION
from scripts import check_migrations

ROOT = Path(__file__).resolve().parents[2]
INDEX = models.Index(fields=["name"], name="agent_by_name")
UNIQUE = models.UniqueConstraint(fields=["name"], name="agent_name_once")


def problems(*operations: Operation) -> list[str]:
    """The problems of a migration of `agents` with these operations."""
    migration = migrations.Migration("9999_tried", "agents")
    migration.operations = list(operations)
    return list(check_migrations.problems_of(migration, ProjectState.from_apps(apps)))


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (migrations.RemoveField("agent", "name"), "removes a column"),
        (migrations.RenameField("agent", "name", "title"), "renames a column"),
        (migrations.RenameModel("Agent", "Assistant"), "renames a table"),
        (migrations.DeleteModel("ModelKey"), "removes a table"),
        (migrations.AlterModelTable("agent", "assistants"), "renames a table"),
        (migrations.AddConstraint("agent", UNIQUE), "forbids rows that old code may write"),
        (migrations.AddIndex("agent", INDEX), "blocks writes"),
        (migrations.RunSQL("SELECT 1"), "runs custom SQL"),
        (migrations.RunPython(migrations.RunPython.noop), "runs custom code"),
        (
            migrations.AddField("agent", "mood", models.CharField(max_length=9, default="")),
            "adds a column without a value",
        ),
        (migrations.AlterField("agent", "name", models.CharField(max_length=9)), "makes a column narrower"),
        (migrations.AlterField("agent", "name", models.IntegerField()), "changes a column's type"),
        (migrations.AlterField("aimodel", "retires_on", models.DateField()), "forbids null"),
        (migrations.AlterField("agent", "name", models.CharField(max_length=500, unique=True)), "forbids rows"),
        (migrations.AlterField("agent", "version", models.PositiveIntegerField(default=1)), "removes the default"),
    ],
    ids=lambda value: value.__class__.__name__ if isinstance(value, Operation) else value,
)
def test_incompatible_operations_are_rejected(operation: Operation, problem: str) -> None:
    (found,) = problems(operation)
    assert found.startswith(problem)


def test_compatible_operations_are_accepted() -> None:
    assert not problems(
        migrations.AddField("agent", "mood", models.CharField(max_length=9, null=True)),
        migrations.AddField("agent", "pace", models.IntegerField(db_default=1)),
        migrations.AlterField("agent", "name", models.CharField(max_length=500)),
        AddIndexConcurrently("agent", models.Index(fields=["mood"], name="agent_by_mood")),
        migrations.CreateModel("Mood", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())]),
        migrations.AddField("mood", "score", models.IntegerField(default=0)),
        migrations.RemoveField("mood", "name"),
    )


def test_the_version_has_a_section_in_the_changelog_and_is_printed() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0].split(" ")[0] == VERSION
    result = subprocess.run(
        [sys.executable, "manage.py", "version"], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert result.stdout == f"{VERSION}\n"
