"""Handing a call over to somebody who is told first what it is about."""

from decimal import Decimal

import pytest

from calls import transfers
from calls.models import Transfer
from phone_numbers.carriers.events import CarrierEventType
from tests.calls.test_transfers import PERSON, after, entries, events, post, report, running_call

pytestmark = pytest.mark.django_db
BRIEFING = "Ada Lovelace calls about order 1815."


def test_the_number_and_the_briefing_are_checked() -> None:
    call = running_call()
    for body in (
        {"briefing": BRIEFING},
        {"to": PERSON, "transfer_to": PERSON},
        {"to": PERSON, "briefing": "x" * 501},
        {"to": PERSON, "briefing": 5},
    ):
        assert post(call, "transfer", body).status_code == 422, body
    assert not Transfer.objects.exists()
    assert post(call, "transfer", {"transfer_to": PERSON, "briefing": BRIEFING}).status_code == 200
    transfer = Transfer.objects.get()
    assert (transfer.to_number, transfer.briefing) == (PERSON, BRIEFING)


def test_a_leg_that_is_being_briefed_has_not_been_connected() -> None:
    call = running_call()
    post(call, "transfer", {"to": PERSON, "briefing": BRIEFING})
    leg = Transfer.objects.get()
    report(call, CarrierEventType.INITIATED, 5, leg=leg, direction="outbound")
    report(call, CarrierEventType.ANSWERED, 10, leg=leg)
    assert call.transferred_at is None
    report(call, CarrierEventType.ENDED, 14, leg=leg, cause="normal_clearing")  # put down in the middle of it
    leg.refresh_from_db()
    assert (call.status, leg.reason, leg.failed_at) == ("answered", "rejected", after(14))
    assert events(call) == ["transfer.requested", "transfer.briefing", "transfer.failed"]
    report(call, CarrierEventType.ENDED, 95, cause="normal_clearing")
    assert entries(call) == {"telephony": Decimal("0.08"), "model": Decimal("0.063")}


def test_the_second_phase_of_the_bill_begins_when_the_two_are_connected() -> None:
    call = running_call()
    post(call, "transfer", {"to": PERSON, "briefing": BRIEFING})
    leg = Transfer.objects.get()
    report(call, CarrierEventType.ANSWERED, 10, leg=leg)
    transfers._answered(call, leg, at=after(60))  # as `_connect` does once the carrier has bridged them
    report(call, CarrierEventType.ENDED, 90, leg=leg, cause="normal_clearing")
    report(call, CarrierEventType.ENDED, 90, cause="normal_clearing")
    assert (call.status, call.hangup_cause) == ("completed", "transferred")
    assert entries(call) == {"telephony": Decimal("0.04"), "transfer": Decimal("0.05"), "model": Decimal("0.04")}
