"""Fixtures for every test. The services themselves are started by tests/embedded.py."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_django
import redis
from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate
from xdist.scheduler import LoadScopeScheduling

from tests import chromium, databases

TESTS = Path(__file__).parent
# Data that migrations bring.
SEEDED_MODELS = ("agents.AIModel", "billing.TelephonyRate", "numbers.NumberPrice")


# What is timed (REALTIME in the Makefile) runs in lines beside each other, which share nothing: what belongs to one platform is in
# one line. The longest come first.
LINES = {
    "flows": "conversations",
    "flows/test_deaths.py": "vendors",
    "flows/test_sandbox.py": "vendors",
    "flows/test_vendor_calls.py": "vendors",
    "browser": "pages",
    "bench": "bench",
    "speech": "speech",
}


def line_of(nodeid: str) -> str:
    """The name of a test's line; a test that is in none is a line by itself."""
    path = nodeid.partition("::")[0].removeprefix("tests/")
    return LINES.get(path) or LINES.get(path.partition("/")[0]) or nodeid


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
    """Line by line, in their order above."""
    order = {line: place for place, line in enumerate(dict.fromkeys(LINES.values()))}
    items.sort(key=lambda item: order.get(line_of(item.nodeid), len(order)))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The test database is a copy of a migrated one."""
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = databases.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> None:
    """Tests that commit (transaction=True) leave by emptying all tables.

    The ledger's guard against that is off in tests, and what migrations brought is put back each time; so there is no need
    for serialized_rollback, which must not be used beside this.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry DISABLE TRIGGER ledger_is_never_emptied")
        rows = [row for name in SEEDED_MODELS for row in apps.get_model(name).objects.all()]
        seeded = serializers.serialize("json", rows)

    def restore(**kwargs: Any) -> None:
        for row in serializers.deserialize("json", seeded):
            row.save()

    flush.sql_flush = empty_what_is_full  # type: ignore[assignment]
    # Sent when the tables have been emptied.
    post_migrate.connect(restore, sender=apps.get_app_config("numbers"), weak=False)


def empty_what_is_full(style: Any, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any) -> list[str]:
    """What Django's `flush` is to run: TRUNCATE writes new files for each of 110 tables, of which a test fills a dozen.

    As a replica's, the session asks neither foreign keys nor the ledger's guard.
    """
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    found = [f"SELECT '{name}' WHERE EXISTS (SELECT FROM {connection.ops.quote_name(name)})" for name in names]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(found))
        full = [connection.ops.quote_name(row[0]) for row in cursor.fetchall()]
    return ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {name}" for name in full)]  # noqa: S608


@pytest.fixture
def empty_redis() -> Iterator["redis.Redis"]:
    """A client on a Valkey without keys; emptied again afterwards (rate limits, cache, channel messages)."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium. Without one the test is skipped, and fails where CI=true."""
    path = chromium.find()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(chromium.MISSING)
    if path is None:
        pytest.skip(chromium.MISSING)
    return path
