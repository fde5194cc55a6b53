"""Destinations that are always refused: nothing is dialed or charged, and a refused call says why."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from billing.models import AllowedPrefix, LedgerEntry, TelephonyRate
from calls.models import Call, Transfer
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REFUSED = [
    ("+49112", "emergency_number"),
    ("+49116117", "emergency_number"),
    ("+4499912345", "emergency_number"),
    ("+19005550100", "premium_destination"),
    ("+12129765555", "premium_destination"),
    ("+449098790000", "premium_destination"),
    ("+499001234567", "premium_destination"),
    ("+447012345678", "premium_destination"),
    ("+8821612345678", "premium_destination"),
    ("+5352345678", "no_rate"),
]


def send(developer: Any, method: str, path: str, body: dict[str, Any]) -> Any:
    headers = factories.bearer(developer)
    return Client().generic(
        method, f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers
    )


@pytest.mark.parametrize(("to", "reason"), REFUSED)
def test_no_call_is_placed(to: str, reason: str) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    answer = send(developer, "POST", "/calls", {"from": number.e164, "to": to})
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert set(answer.json()) == {"message", "reason"}
    refused = Call.objects.get()
    assert (refused.status, refused.refusal_reason, refused.carrier_call_id) == ("failed", reason, None)
    assert LedgerEntry.objects.filter(developer=developer).count() == 1  # the credit


@pytest.mark.parametrize(("to", "reason"), REFUSED)
@pytest.mark.parametrize("briefing", ["", "Ada calls about order 1815."])
def test_no_call_is_transferred(to: str, reason: str, briefing: str) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN)
    answer = send(call.developer, "POST", f"/calls/{call.pk}/transfer", {"to": to, "briefing": briefing})
    assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert not Transfer.objects.filter(sent_at__isnull=False).exists()
    call.refresh_from_db()
    assert (call.status, call.end_requested_at) == ("answered", None)


@pytest.mark.parametrize(("to", "_reason"), REFUSED)
def test_no_setting_accepts_such_a_transfer_number(to: str, _reason: str) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    agent = factories.make_agent(developer=developer, transfer_number="+12025559999")
    for method, path, body in (
        ("PATCH", f"/phone-numbers/{number.pk}", {}),
        ("PATCH", f"/agents/{agent.pk}", {}),
        ("POST", "/agents", {"name": "Other"}),
        ("POST", "/calls", {"from": number.e164, "to": "+12025551234"}),
    ):
        answer = send(developer, method, path, {**body, "transfer_number": to})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["transfer_number"])
    number.refresh_from_db()
    agent.refresh_from_db()
    assert (number.transfer_number, agent.transfer_number) == (None, "+12025559999")
    assert (Agent.objects.count(), Call.objects.count()) == (1, 0)


def test_staff_allow_a_prefix_with_a_rate_and_a_permission_for_the_account() -> None:
    developer, other = make_account(), make_account()
    call = make_call(make_streaming_number(developer), BEGIN)

    def transfer(account: Any, to: str) -> int:
        running = call if account == developer else make_call(make_streaming_number(other), BEGIN)
        return int(send(account, "POST", f"/calls/{running.pk}/transfer", {"to": to}).status_code)

    AllowedPrefix.objects.create(developer=developer, prefix="1900")
    assert transfer(developer, "+19005550100") == 403  # the rate for prefix 1 does not apply to 1900
    TelephonyRate.objects.create(direction="inbound", prefix="1900", price_per_minute=Decimal("0.90"), valid_from=BEGIN)
    assert transfer(developer, "+19005550100") == 403
    TelephonyRate.objects.create(
        direction="outbound", prefix="1900", price_per_minute=Decimal("0.90"), valid_from=BEGIN
    )
    assert transfer(other, "+19005550100") == 403
    assert transfer(developer, "+19765550100") == 403
    assert transfer(developer, "+19005550100") == 200
    assert Transfer.objects.get(failed_at=None).rate == Decimal("0.90")


@pytest.mark.parametrize(
    "to",
    ["+15005550001", "+15551234567", "+12025551234", "+14155550100", "+15559876543", "+447700900123", "+18005550199"],
)
def test_transfers_to_ordinary_test_and_fictional_numbers_are_allowed(to: str) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN)
    assert send(call.developer, "POST", f"/calls/{call.pk}/transfer", {"to": to}).status_code == 200


@pytest.mark.parametrize("to", ["+911", "+112", "911", "+119005550100", "+4409098790000", "+99912345678"])
def test_an_invalid_number_is_a_validation_error(to: str) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    answer = send(developer, "POST", "/calls", {"from": number.e164, "to": to})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["to"])
