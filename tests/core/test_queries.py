"""Query parameters of lists, at the API: whole days, and parameters that do not exist."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

LISTS = (
    "calls",
    "agents",
    "phone-numbers",
    "models",
    "model-keys",
    "api-keys",
    "webhook-logs",
    "number-pricing",
    "countries",
)
LISTS += (
    "billing/transactions",
    "billing/statements",
    "billing/usage",
    "billing/payment-methods",
    "phone-numbers/available",
)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", ["x", "dateFrom", "$where", "page"])
def test_unknown_parameters_are_named(client: Client, path: str, name: str) -> None:
    response = client.get(f"/api/v1/{path}?{name}=1", headers=bearer(make_account()))
    assert (response.status_code, response.json()["errors"]) == (422, {name: ["Unknown parameter."]})


@pytest.mark.parametrize("part", ["events", "turns", "webhook-logs"])
def test_unknown_parameters_of_a_calls_lists(client: Client, part: str) -> None:
    account = make_account()
    call = make_call(make_streaming_number(account), datetime(2026, 3, 1, tzinfo=UTC))
    response = client.get(f"/api/v1/calls/{call.pk}/{part}?to=1", headers=bearer(account))
    assert (response.status_code, response.json()["errors"]) == (422, {"to": ["Unknown parameter."]})
    assert client.get(f"/api/v1/calls/{call.pk}/{part}?per_page=5", headers=bearer(account)).status_code == 200


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("date_from=2026-03-01&date_to=2026-03-01", 2),
        ("date_to=2026-02-28", 0),
        ("date_from=2026-03-02", 0),
        ("date_from=2026-03-01T23:59:59Z", 1),
        ("date_to=2026-03-01T23:59:58", 1),
        ("date_from=2026-03-02T00:59:59%2B01:00", 1),
        ("date_from=2026-03-02T00:59:59+01:00", 1),
        ("date_from=0001-01-01&date_to=9999-12-31", 2),
    ],
)
def test_a_bare_date_is_the_whole_day(client: Client, query: str, count: int) -> None:
    account = make_account()
    number = make_streaming_number(account)
    for moment in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 23, 59, 59, 500_000, tzinfo=UTC)):
        make_call(number, moment)
    response = client.get(f"/api/v1/calls?{query}", headers=bearer(account))
    assert (response.status_code, len(response.json()["data"])) == (200, count)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("date_from=2026-02-30", "date_from"),
        ("date_from=yesterday", "date_from"),
        ("date_to=", "date_to"),
        ("date_from=0001-01-01T00:00:00%2B14:00", "date_from"),
        ("date_from=2026-03-02&date_to=2026-03-01", "date_to"),
        ("direction=up", "direction"),
        ("agent_id=9223372036854775808", "agent_id"),
    ],
)
def test_invalid_values_are_named(client: Client, query: str, field: str) -> None:
    response = client.get(f"/api/v1/calls?{query}", headers=bearer(make_account()))
    assert (response.status_code, [*response.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "path", ["/login", "/signup", "/docs", "/api/v1/models", "/healthz", "/calls", "/billing", "/sandbox", "/"]
)
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    client.force_login(make_account())
    got, head = client.get(path, headers={}), client.head(path)
    assert (head.status_code, head.content, head.headers.get("Content-Type")) == (
        got.status_code,
        b"",
        got.headers.get("Content-Type"),
    )
