"""Fixtures for all tests. tests/embedded.py starts the services."""

import asyncio
import gc
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
from bubblyphone.core.api import described, openapi
from bubblyphone.docs import reference_views
from tests import chromium, databases
from tests.virtual_time import VirtualLoop

TESTS = Path(__file__).parent
SEEDED = "seeded"  # the schema with copies of rows from migrations
NEVER_CHANGED = {"auth_permission", "django_content_type", "django_migrations"}


# Timed tests (REALTIME in the Makefile) run in groups. Groups share nothing and run in parallel, and all tests of one platform are in one
# group. The longest groups come first.
TIMED_GROUPS = {
    "flows": "conversations",
    "flows/test_deaths.py": "vendors",
    "flows/test_sandbox.py": "vendors",
    "flows/test_vendor_calls.py": "vendors",
    "flows/test_waiting.py": "vendors",
    "browser": "pages",
    "bench": "bench",
    "speech": "speech",
}
# Fixtures that start a platform for the duration of a group.
PLATFORMS = {"platform", "vendor_platform"}

# The other tests that share a server: each file is a group. Those of the services mostly wait for processes that they start. They are one
# group, so that one worker waits while the others use the processors.
SHARING = ("agents/brain/test_scripted.py", "agents/providers/test_aimock.py")
SERVICES = "services"


def group_of(nodeid: str) -> str:
    """The name of a test's group. Each other test is its own group."""
    path = _path_of(nodeid)
    if path in SHARING:
        return path
    if path.startswith(f"{SERVICES}/"):
        return SERVICES
    return TIMED_GROUPS.get(path) or TIMED_GROUPS.get(path.partition("/")[0]) or nodeid


def _path_of(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


class Groups(LoadScopeScheduling):
    """Assigns whole groups to workers. (pytest 9.2 hides the names of xdist's own groups from it.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups | None:
    """`--dist loadgroup` uses our groups. Other values use xdist's own scheduler."""
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run groups in the order above. Then what takes long comes first, because started last it would run alone at the end."""
    order = {group: place for place, group in enumerate(dict.fromkeys(TIMED_GROUPS.values()))}

    def place(item: pytest.Item) -> tuple[int, bool, bool]:
        group = group_of(item.nodeid)
        is_long = item.get_closest_marker("slow") is not None or group in SHARING
        timed = order.get(group, len(order))
        return timed, group != SERVICES, timed == len(order) and not is_long

    items.sort(key=place)
    started = {
        (group_of(item.nodeid), name) for item in items for name in PLATFORMS & {*getattr(item, "fixturenames", ())}
    }
    if len(started) > len({group for group, _ in started}):
        raise pytest.UsageError(f"A group starts two platforms, where one is enough: {sorted(started)}")


def pytest_collection_finish() -> None:
    """The tests live until the end of the run, too (tests/embedded.py)."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop for a test's coroutines. With a single factory, test names stay unchanged."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Copy the test database from a migrated one."""
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = databases.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> Iterator[None]:
    """Make tests that commit (transaction=True) restore the rows from migrations.

    This replaces serialized_rollback, which must not be combined with it. The ledger's protection against truncation is off in tests.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry DISABLE TRIGGER ledger_is_never_emptied")
        cursor.execute(f"CREATE SCHEMA {SEEDED}")
        for name in _full_tables():
            cursor.execute(f"CREATE TABLE {SEEDED}.{name} AS TABLE {name}")
    flush.sql_flush = as_migrated  # type: ignore[assignment]
    flush.emit_post_migrate_signal = lambda *args, **kwargs: None  # type: ignore[assignment]  # its rows are copied, too
    yield
    # Threads of pools and event loops keep their connections open, and a database with open connections cannot be dropped.
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}")


def as_migrated(*args: Any, **kwargs: Any) -> list[str]:
    """SQL for Django's `flush`. TRUNCATE would create new files for each of 110 tables, although a test fills only a dozen.

    The session acts as a replica, so foreign keys and the ledger's protection are not checked.
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
    """Tables that have or had rows. Querying each table takes thirty times as long as checking their file sizes."""
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def empty_redis() -> Iterator["redis.Redis"]:
    """A client for an empty Valkey, which is emptied again afterwards (rate limits, cache, channel messages)."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def without_billing(settings: Any) -> Iterator[None]:
    """BILLING=off. What a process computes only once depends on it, so it is computed again, before and after the test."""
    computed_once = (
        described.operations_by_pattern,
        openapi.description,
        openapi.openapi,
        reference_views.sections,
        reference_views.rendered_section,
        reference_views.searchable_texts,
    )
    settings.BILLING = False
    for function in computed_once:
        function.cache_clear()
    yield
    for function in computed_once:
        function.cache_clear()


@pytest.fixture
def without_keys(settings: Any) -> Iterator[None]:
    """The platform has no provider keys."""
    settings.MODEL_PROVIDERS = {
        name: {**provider, "OPTIONS": {**provider["OPTIONS"], **({} if name == "local" else {"api_key": ""})}}
        for name, provider in settings.MODEL_PROVIDERS.items()
    }
    get_model.cache_clear()
    yield
    get_model.cache_clear()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium. Without one, the test is skipped, or fails if CI=true."""
    path = chromium.find()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(chromium.MISSING)
    if path is None:
        pytest.skip(chromium.MISSING)
    return path
