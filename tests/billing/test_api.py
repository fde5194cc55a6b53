"""The GET /billing/balance and /billing/transactions APIs."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Developer
from billing import ledger
from billing.models import LedgerEntry
from calls.models import Call
from tests.calls.rows import make_call, make_streaming_number

pytestmark = pytest.mark.django_db


@pytest.fixture
def developer() -> Developer:
    return Developer.objects.create_user("money@example.test", name="Money")


@pytest.fixture
def client(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


def test_balance(client: APIClient, developer: Developer) -> None:
    nothing = {"balance": "0.00", "held": "0.00", "available": "0.00", "currency": "USD"}
    assert client.get("/api/v1/billing/balance").json() == {"data": nothing}
    ledger.test_credit(developer_id=developer.pk, amount=Decimal("24.5"), key="a")
    credit = {"balance": "24.50", "held": "0.00", "available": "24.50", "currency": "USD"}
    assert client.get("/api/v1/billing/balance").json() == {"data": credit}


@pytest.mark.parametrize(
    ("seconds", "fields", "held"),
    [
        (0, {"status": "ringing", "answered_at": None}, "0.08"),  # the first minute, before the call is answered
        (30, {}, "0.08"),
        (54, {}, "0.08"),
        (57, {}, "0.16"),  # the next minute, shortly before it starts
        (90, {}, "0.16"),
        (90, {"sandbox": True, "telephony_rate": Decimal(0)}, "0.08"),  # a model without telephony
        (90, {"demo": True}, "0.00"),
    ],
)
def test_calls_hold_what_they_will_soon_cost(
    client: APIClient, developer: Developer, seconds: int, fields: dict[str, Any], held: str
) -> None:
    ledger.test_credit(developer_id=developer.pk, amount=Decimal("1"), key="a")
    make_call(make_streaming_number(developer), timezone.now() - timedelta(seconds=seconds), **fields)
    found = client.get("/api/v1/billing/balance").json()["data"]
    available = f"{1 - Decimal(held):.2f}"
    assert found == {"balance": "1.00", "held": held, "available": available, "currency": "USD"}


def test_a_call_holds_at_most_its_own_limit_and_an_ended_one_its_cost(client: APIClient, developer: Developer) -> None:
    now = timezone.now()
    answered = now - timedelta(seconds=90)
    make_call(make_streaming_number(developer, max_cost_per_call=Decimal("0.13")), answered)
    assert client.get("/api/v1/billing/balance").json()["data"]["held"] == "0.13"
    Call.objects.update(end_requested_at=answered + timedelta(seconds=15))
    assert client.get("/api/v1/billing/balance").json()["data"]["held"] == "0.05"


def test_transactions_are_listed_newest_first_for_one_account(client: APIClient, developer: Developer) -> None:
    stranger = Developer.objects.create_user("stranger@example.test", name="Stranger")
    ledger.test_credit(developer_id=stranger.pk, amount=Decimal(1), key="stranger")
    credit = ledger.test_credit(developer_id=developer.pk, amount=Decimal(10), key="a")
    debit = ledger.post_entry(
        developer_id=developer.pk,
        key="call:1:telephony",
        kind="telephony",
        amount=Decimal("-0.1"),
        description="Call to +15551234567 (2 min)",
    )
    page = client.get("/api/v1/billing/transactions?per_page=1").json()
    assert page["data"] == [
        {
            "id": debit.pk,
            "type": "debit",
            "kind": "telephony",
            "amount": "0.10",
            "description": "Call to +15551234567 (2 min)",
            "call_id": 1,
            "phone_number_id": None,
            "created_at": debit.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ]
    following = client.get(page["links"]["next"]).json()
    assert [(row["id"], row["type"], row["amount"]) for row in following["data"]] == [(credit.pk, "credit", "10.00")]
    assert following["meta"]["next_cursor"] is None


@pytest.fixture
def movements(developer: Developer) -> None:
    for key, kind, amount, moment in (
        ("a", "test_credit", "10", datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("call:1:telephony", "telephony", "-0.1", datetime(2026, 3, 1, tzinfo=UTC)),
        ("call:1:model", "model", "-0.063", datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("b", "refund", "0.5", datetime(2026, 3, 2, tzinfo=UTC)),
    ):
        text = "=cmd|' /C calc'!A0" if key == "b" else f"About, {key}"
        ledger.post_entry(
            developer_id=developer.pk, key=key, kind=kind, amount=Decimal(amount), description=text, at=moment
        )


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("type=credit", ["refund", "test_credit"]),
        ("type=debit", ["model", "telephony"]),
        ("kind=model", ["model"]),
        ("from=2026-03-01&to=2026-03-01", ["model", "telephony"]),
        ("from=2026-03-02", ["refund"]),
        ("to=2026-02-28", ["test_credit"]),
        ("type=credit&kind=model", []),
        ("to=9999-12-31", ["refund", "model", "telephony", "test_credit"]),
    ],
)
def test_filters(client: APIClient, movements: None, query: str, kinds: list[str]) -> None:
    found = client.get(f"/api/v1/billing/transactions?{query}").json()
    assert [row["kind"] for row in found["data"]] == kinds
    file = client.get(f"/api/v1/billing/transactions?{query}&format=csv").content.decode()
    assert [row["kind"] for row in csv.DictReader(io.StringIO(file))] == kinds


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=both", "type"),
        ("kind=beer", "kind"),
        ("from=March", "from"),
        ("from=2026-03-02&to=2026-03-01", "to"),
        ("format=xls", "format"),
        ("format=csv&since=2026-03-01", "since"),
        ("format=csv&From=2026-03-01", "From"),
        ("format=csv&type[]=credit", "type[]"),
        ("format=csv&to=2026-02-30", "to"),
        ("format=csv&from=2026-03-02&to=2026-03-01", "to"),
    ],
)
def test_invalid_filters_are_refused(client: APIClient, query: str, field: str) -> None:
    response = client.get(f"/api/v1/billing/transactions?{query}")
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]


def test_csv(client: APIClient, movements: None) -> None:
    ids = list(LedgerEntry.objects.order_by("-pk").values_list("pk", flat=True))
    response = client.get("/api/v1/billing/transactions?format=csv&per_page=1")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="transactions.csv"'
    assert response.content.decode().split("\r\n") == [
        "id,created_at,type,kind,amount,currency,description",
        f"{ids[0]},2026-03-02T00:00:00Z,credit,refund,0.50,USD,'=cmd|' /C calc'!A0",
        f'{ids[1]},2026-03-01T23:59:59Z,debit,model,-0.063,USD,"About, call:1:model"',
        f'{ids[2]},2026-03-01T00:00:00Z,debit,telephony,-0.10,USD,"About, call:1:telephony"',
        f'{ids[3]},2026-02-28T23:59:59Z,credit,test_credit,10.00,USD,"About, a"',
        "",
    ]
    asked_for = client.get("/api/v1/billing/transactions", headers={"Accept": "text/csv, */*;q=0.1"})
    assert asked_for.content == response.content
    plain = client.get("/api/v1/billing/transactions?format=json", headers={"Accept": "text/csv"})
    assert len(plain.json()["data"]) == 4


def test_requests_without_credentials_are_refused(empty_redis: object) -> None:
    for path in ("balance", "transactions", "usage"):
        response = APIClient().get(f"/api/v1/billing/{path}")
        assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})
