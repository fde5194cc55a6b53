"""Fixtures for every test. The services themselves are started by tests/embedded.py."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_django
import redis
from django.conf import settings
from django.core.management.commands import flush
from django.db import connection
from xdist.scheduler import LoadScopeScheduling

from agents.providers.registry import get_model
from tests import chromium, databases
from tests.virtual_time import VirtualLoop

TESTS = Path(__file__).parent
SEEDED = "seeded"  # the schema with copies of what migrations bring
NEVER_CHANGED = {"auth_permission", "django_content_type", "django_migrations"}


# What is timed (REALTIME in the Makefile) runs in lines beside each other, which share nothing: what belongs to one platform is in
# one line. The longest come first.
TIMED_LINES = {
    "flows": "conversations",
    "flows/test_deaths.py": "vendors",
    "flows/test_sandbox.py": "vendors",
    "flows/test_vendor_calls.py": "vendors",
    "flows/test_waiting.py": "vendors",
    "browser": "pages",
    "bench": "bench",
    "speech": "speech",
}
# Fixtures that start one, for as long as there is a line.
PLATFORMS = {"platform", "vendor_platform"}

# Of the others, whose tests share a server that is started for them: each file is a line.
SHARING = ("services/", "agents/brain/test_scripted.py", "agents/providers/test_aimock.py")


def line_of(nodeid: str) -> str:
    """The name of a test's line; a test that is in none is a line by itself."""
    path = _path_of(nodeid)
    if path.startswith(SHARING):
        return path
    return TIMED_LINES.get(path) or TIMED_LINES.get(path.partition("/")[0]) or nodeid


def _path_of(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


class Lines(LoadScopeScheduling):
    """Hands out whole lines. (Of xdist's own groups pytest 9.2 hides the names from it.)"""

    def _split_scope(self, nodeid: str) -> str:
        return line_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lines | None:
    """`--dist loadgroup` is by line; anything else is xdist's."""
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return Lines(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Line by line, in their order above. Of the rest what is long comes first: started last, it would go on alone at the end."""
    order = {line: place for place, line in enumerate(dict.fromkeys(TIMED_LINES.values()))}

    def place(item: pytest.Item) -> tuple[int, bool]:
        line = order.get(line_of(item.nodeid), len(order))
        is_long = item.get_closest_marker("slow") is not None or _path_of(item.nodeid).startswith(SHARING)
        return line, line == len(order) and not is_long

    items.sort(key=place)
    started = {
        (line_of(item.nodeid), name) for item in items for name in PLATFORMS & {*getattr(item, "fixturenames", ())}
    }
    if len(started) > len({line for line, _ in started}):
        raise pytest.UsageError(f"A line starts two platforms, where one is enough: {sorted(started)}")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of a test's coroutines; a single one leaves the test's name as it is."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The test database is a copy of a migrated one."""
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = databases.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> Iterator[None]:
    """Tests that commit (transaction=True) leave a database as migrations do.

    So there is no need for serialized_rollback, which must not be used beside this. The ledger's guard against emptying is off in tests.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry DISABLE TRIGGER ledger_is_never_emptied")
        cursor.execute(f"CREATE SCHEMA {SEEDED}")
        for name in _full_tables():
            cursor.execute(f"CREATE TABLE {SEEDED}.{name} AS TABLE {name}")
    flush.sql_flush = as_migrated  # type: ignore[assignment]
    flush.emit_post_migrate_signal = lambda *args, **kwargs: None  # type: ignore[assignment]  # what it would bring is there
    yield
    # Threads of pools and of event loops keep their connections for as long as they live; no database can be dropped beside one.
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}")


def as_migrated(*args: Any, **kwargs: Any) -> list[str]:
    """What Django's `flush` is to run: TRUNCATE writes new files for each of 110 tables, of which a test fills a dozen.

    As a replica's, the session asks neither foreign keys nor the ledger's guard.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [SEEDED])
        seeded = {row[0] for row in cursor.fetchall()} - NEVER_CHANGED
    return [
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {name}" for name in sorted({*_full_tables()} - NEVER_CHANGED)),  # noqa: S608
        *(f"INSERT INTO {name} SELECT * FROM {SEEDED}.{name}" for name in sorted(seeded)),  # noqa: S608
    ]


def _full_tables() -> list[str]:
    """The tables that have, or had, rows: asking each for one takes thirty times as long as looking at the sizes of their files."""
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def empty_redis() -> Iterator["redis.Redis"]:
    """A client on a Valkey without keys; emptied again afterwards (rate limits, cache, channel messages)."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def without_keys(settings: Any) -> Iterator[None]:
    """The platform has no key of any vendor."""
    settings.MODEL_PROVIDERS = {
        name: {**provider, "OPTIONS": {**provider["OPTIONS"], **({} if name == "local" else {"api_key": ""})}}
        for name, provider in settings.MODEL_PROVIDERS.items()
    }
    get_model.cache_clear()
    yield
    get_model.cache_clear()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium. Without one the test is skipped, and fails where CI=true."""
    path = chromium.find()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(chromium.MISSING)
    if path is None:
        pytest.skip(chromium.MISSING)
    return path
