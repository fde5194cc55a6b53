"""API lists: how many queries a page needs, and how its JSON is rendered."""

import json
import socket
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from agents.models import AgentVersion
from bubblyphone.core.api.views import FastJSONRenderer
from bubblyphone.server.database_pool import check_connection
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
        with CaptureQueriesContext(connection) as asked:
            shown = client.get(f"/api/v1/{path}").json()["data"]
        assert len(shown) == 3
        assert len(asked) == 2, [query["sql"] for query in asked]  # the key and the page
        for one in shown:
            whole = client.get(f"/api/v1/{path}/{one['id']}").json()["data"]
            assert one == {name: whole[name] for name in one}


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
