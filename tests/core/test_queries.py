"""Query parameters of API lists: whole days, and unknown parameters."""

import base64
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from calls.models import Call
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
def test_unknown_parameters_are_reported(client: Client, path: str, name: str) -> None:
    response = client.get(f"/api/v1/{path}?{name}=1", headers=bearer(make_account()))
    assert (response.status_code, response.json()["errors"]) == (422, {name: ["Unknown parameter."]})


@pytest.mark.parametrize("part", ["events", "turns", "webhook-logs"])
def test_unknown_parameters_of_a_call_s_lists(client: Client, part: str) -> None:
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


def test_calls_of_a_period_are_listed_by_start_time(client: Client) -> None:
    """In both directions. An earlier call can have a larger ID. A cursor still works if its call no longer matches the filters."""
    account = make_account()
    number, headers = make_streaming_number(account), bearer(account)
    ids = [make_call(number, datetime(2026, 3, day, tzinfo=UTC)).pk for day in (4, 1, 3, 3, 2, 9)]
    foreign = make_call(make_streaming_number(make_account(), e164="+14155550999"), datetime(2026, 3, 3, tzinfo=UTC))

    def page(query: str, status: int = 200) -> Any:
        response = client.get(f"/api/v1/calls?{query}&per_page=2", headers=headers)
        assert response.status_code == status
        return response.json()

    def places(answer: Any) -> list[int]:
        return [ids.index(call["id"]) for call in answer["data"]]

    period = "date_from=2026-03-01&date_to=2026-03-05"
    pages = [page(period)]
    while cursor := pages[-1]["meta"]["next_cursor"]:
        pages.append(page(f"{period}&cursor={cursor}"))
    assert [places(page) for page in pages] == [[0, 3], [2, 4], [1]]
    assert places(page(f"{period}&cursor={pages[2]['meta']['prev_cursor']}")) == [2, 4]
    assert places(page("direction=inbound")) == [5, 4]
    Call.objects.filter(pk=ids[3]).update(direction="outbound")
    assert places(page(f"{period}&direction=inbound&cursor={pages[0]['meta']['next_cursor']}")) == [2, 4]
    stranger = base64.urlsafe_b64encode(f"n:{foreign.pk}".encode()).decode().rstrip("=")
    assert page(f"{period}&cursor={stranger}", 422)["errors"].keys() == {"cursor"}


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
def test_invalid_values_are_reported(client: Client, query: str, field: str) -> None:
    response = client.get(f"/api/v1/calls?{query}", headers=bearer(make_account()))
    assert (response.status_code, [*response.json()["errors"]]) == (422, [field])


A_DAY = "Must be a date as YYYY-MM-DD, like 2026-03-31."
A_TIME = "Must be a date like 2026-03-31, or a time like 2026-03-31T14:30:00Z."


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("/calls", "date_from", A_TIME),
        ("/calls", "date_to", A_TIME),
        ("/events", "since", A_TIME),
        ("/billing/transactions", "from", A_DAY),
        ("/billing/transactions", "to", A_DAY),
    ],
)
def test_an_invalid_date_gets_an_example(client: Client, path: str, name: str, text: str) -> None:
    headers = bearer(make_account())
    wrong = ["yesterday", "2026-02-30", "31.03.2026", "2026-03-31T25:00:00Z", "0001-01-01T00:00:00+14:00"]
    answers = [client.get(f"/api/v1{path}", {name: value}, headers=headers) for value in wrong]
    assert [(answer.status_code, answer.json()["errors"]) for answer in answers] == [(422, {name: [text]})] * len(wrong)
    for example in re.findall(r"2026-[0-9TZ:-]*[0-9Z]", text):
        assert client.get(f"/api/v1{path}", {name: example}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/login", "/signup", "/docs", "/api/v1/models", "/healthz", "/calls", "/billing", "/sandbox", "/"]
)
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    client.force_login(make_account())
    response, head = client.get(path, headers={}), client.head(path)
    assert (head.status_code, head.content, head.headers.get("Content-Type")) == (
        response.status_code,
        b"",
        response.headers.get("Content-Type"),
    )
