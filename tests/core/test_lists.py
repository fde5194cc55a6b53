"""API lists: how many queries a page needs, and how its JSON is rendered."""

import json
import socket
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from agents.models import AgentVersion
from bubblyphone.core.api.json_bodies import FastJSONRenderer
from bubblyphone.core.api.views import format_time
from bubblyphone.server.database_pool import UtcLoader, check_connection
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer, make_agent


@pytest.mark.django_db
def test_a_list_needs_one_query_and_matches_the_single_objects() -> None:
    developer = make_account("10")
    agent = make_agent(developer=developer)
    version = AgentVersion.objects.filter(agent=agent).first()
    assert version is not None
    numbers = [
        make_streaming_number(developer, e164=f"+1415555010{place}", agent=agent, agent_version=version)
        for place in range(3)
    ]
    for number in numbers:
        make_call(number, timezone.now(), carrier_call_id=f"v3:{number.pk}")
    client = Client(headers=bearer(developer))
    client.get("/api/v1/calls")  # records that the key was used
    for path in ("calls", "phone-numbers"):
        with CaptureQueriesContext(connection) as queries:
            listed = client.get(f"/api/v1/{path}").json()["data"]
        assert len(listed) == 3
        assert len(queries) == 2, [query["sql"] for query in queries]  # the key and the page
        for item in listed:
            whole = client.get(f"/api/v1/{path}/{item['id']}").json()["data"]
            assert item == {name: whole[name] for name in item}


@pytest.mark.parametrize(
    "content",
    [
        {"text": "Grüße \u2028 \u2029 \0 \"'<>&", "list": [1, -2.5, True, None], "empty": {}},
        {"at": datetime(2026, 4, 5, 12, 0, 0, 123456, UTC), "day": date(2026, 4, 5), "id": UUID(int=7)},
        {"amount": Decimal("1.50"), "pair": (1, 2), "large": 2**70},
        {1: "a key that is no text"},
        None,
    ],
)
def test_json_is_rendered_as_in_rest_framework(content: Any) -> None:
    written = FastJSONRenderer().render(content)
    assert written == JSONRenderer().render(content)
    assert content is None or json.loads(written)


def test_floats_keep_their_value_in_json_and_nan_is_null() -> None:
    """DRF would render the first as `1e-05`, and would fail on the last two, and with them on the whole response."""
    numbers = [0.00001, 5e-324, 0.1, 1e16, 2.0**70, 1.7976931348623157e308]
    assert json.loads(FastJSONRenderer().render(numbers)) == numbers
    assert FastJSONRenderer().render([float("nan"), float("-inf")]) == b"[null,null]"


@pytest.mark.django_db
def test_a_connection_closed_by_the_server_is_detected() -> None:
    """Without a query, if there is nothing to read on the connection. A connection that PostgreSQL closed has data to read."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "dbname", "user", "password")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}, autocommit=True) as own:
        check_connection(own)
        check_connection(own)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [own.info.backend_pid])
        ended = socket.socket(fileno=socket.dup(own.fileno()))
        ended.settimeout(30)
        assert ended.recv(1, socket.MSG_PEEK)
        ended.close()
        with pytest.raises(psycopg.OperationalError):
            check_connection(own)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 4, 5, 12, 0, 9, 999_999, UTC), "2026-04-05T12:00:09Z"),
        (datetime(2026, 4, 5, 1, 30, tzinfo=timezone.get_fixed_timezone(120)), "2026-04-04T23:30:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (None, None),
    ],
)
def test_times_are_in_utc_to_the_second(moment: datetime | None, text: str | None) -> None:
    assert format_time(moment) == text


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "text", ["2026-04-05 12:00:00+00", "2026-04-05 12:00:00.5+00", "1999-12-31 23:59:59.999999+00", "0001-01-01+00"]
)
def test_times_are_read_as_django_reads_them(zone: str, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        cursor.execute("SELECT %s::timestamptz", [text])
        expected = cursor.fetchone()[0]
        cursor.adapters.register_loader("timestamptz", UtcLoader)
        cursor.execute("SELECT %s::timestamptz", [text])
        found = cursor.fetchone()[0]
    assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"])
def test_times_that_python_cannot_represent_are_an_error(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.adapters.register_loader("timestamptz", UtcLoader)
        cursor.execute("SELECT %s::timestamptz", [text])
        with pytest.raises(DataError):
            cursor.fetchone()
