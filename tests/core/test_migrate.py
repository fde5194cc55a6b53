"""A database that an earlier development version left partially migrated is refused with a clear message, and nothing changes.

A migration that was interrupted is applied again.
"""

import os
import re
import subprocess
import sys

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests import databases

ADVICE = "Use an empty database: set another DATA_DIR or DATABASE_URL, or delete the old one."
HISTORY = "SELECT app, name FROM django_migrations ORDER BY id"


def run(url: str, *program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of the project with this database."""
    environment = {**os.environ, **databases.SETTINGS, "DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, *program], cwd=databases.PROJECT, env=environment, capture_output=True, text=True, check=False
    )


def history() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(HISTORY)
        return cursor.fetchall()


@pytest.mark.django_db
def test_a_missing_column_is_reported() -> None:
    before = history()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_apikey DROP COLUMN is_admin")
    with pytest.raises(CommandError) as error:
        call_command("migrate", interactive=False, verbosity=0)
    assert str(error.value) == (
        "This database comes from an earlier development version, and its migrations are incomplete "
        f"(no column accounts_apikey.is_admin). {ADVICE}"
    )
    assert history() == before


@pytest.mark.django_db
def test_migrations_in_a_different_order_are_refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'webhooks'")
    before = history()
    with pytest.raises(CommandError) as error:
        call_command("migrate", interactive=False, verbosity=0)
    # The named migration depends on the order in which Django finds them.
    assert re.search(r"Migration \S+ is applied before its dependency webhooks\.0001_initial", str(error.value))
    assert str(error.value).endswith(ADVICE)
    assert history() == before


@pytest.mark.slow
def test_prepare_only_prints_the_message() -> None:
    url = databases.make_copy(databases.template())
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("ALTER TABLE calls_call DROP COLUMN model_slug")
    done = run(url, "-m", "bubblyphone.prepare")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("This database comes from an earlier development version")
    assert done.stderr.endswith(f"(no column calls_call.model_slug). {ADVICE}\n")


@pytest.mark.slow
def test_a_single_app_can_be_migrated() -> None:
    """The state of such a migration lacks the models of django-q2, whose table holds the schedules."""
    url = databases.make_copy("template0")
    done = run(url, "manage.py", "migrate", "accounts", "0001", "--verbosity", "0")
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(url) as database:
        assert database.execute("SELECT count(*) FROM django_migrations WHERE app = 'django_q'").fetchone() == (0,)


@pytest.mark.slow
def test_an_interrupted_migration_builds_its_indexes_again() -> None:
    """PostgreSQL keeps an index whose CREATE INDEX CONCURRENTLY did not end, and never uses it."""
    url = databases.make_copy(databases.template())
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("DELETE FROM django_migrations WHERE (app, name) = ('webhooks', '0002_indexes_of_filters')")
        database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_by_subject'::regclass")
        database.execute("DROP INDEX delivery_by_endpoint")
    done = run(url, "manage.py", "migrate", "--verbosity", "0")
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(url) as database:
        found = database.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indexrelid::regclass::text = ANY(%s)",
            [["event_by_subject", "delivery_by_endpoint"]],
        ).fetchall()
    assert sorted(found) == [("delivery_by_endpoint",), ("event_by_subject",)]
