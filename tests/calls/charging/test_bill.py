"""What calls cost, as in the documented examples, and that a crash during settlement changes nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing import ledger, ledger_verification
from billing.models import LedgerEntry
from bubblyphone.core.money import format_money
from calls.charging import settlement
from calls.control import lifecycle
from calls.models import Call, CallEvent
from tests.calls.rows import KNOWN, make_account, make_call, make_streaming_number
from tests.deaths import deaths

pytestmark = pytest.mark.django_db
BEGUN = datetime(2026, 3, 28, 10, 0, 4, tzinfo=UTC)
FREE, INBOUND, OUTBOUND = Decimal(0), Decimal("0.04"), Decimal("0.05")
WEBHOOK: dict[str, Any] = {"mode": "webhook", "model_slug": "", "model_rate": FREE}


def after(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "fields", "lines"),
    [
        # Documented examples: call.ended after 95 s, call.hangup after 120 s (outbound), usage of a call of 2 min.
        (95, {}, {"telephony": "0.08", "model": "0.063"}),
        (120, {**WEBHOOK, "direction": "outbound", "telephony_rate": OUTBOUND}, {"telephony": "0.10"}),
        # Billed minutes, counted from the answer.
        (0.2, WEBHOOK, {"telephony": "0.04"}),
        (60, WEBHOOK, {"telephony": "0.04"}),
        (60.1, WEBHOOK, {"telephony": "0.08"}),
        # Per second, rounded half up to a thousandth.
        (1, {"model_rate": Decimal("0.03")}, {"telephony": "0.04", "model": "0.001"}),
        (1, {"model_rate": Decimal("0.029")}, {"telephony": "0.04"}),
        (95, {"sandbox": True, "telephony_rate": FREE}, {"model": "0.063"}),
        (95, {"model_rate": FREE}, {"telephony": "0.08"}),  # the account's own model key
        (95, {"demo": True, "sandbox": True, "telephony_rate": FREE, "model_rate": FREE}, {}),
        # Transcribed speech in webhook mode: charged for the whole call.
        (130, {**WEBHOOK, "speech_transcribed": True}, {"telephony": "0.12", "transcription": "0.02"}),
        (130, {"speech_transcribed": True}, {"telephony": "0.12", "model": "0.087"}),
        # Transferred after 70 s: two phases, each in started minutes.
        (
            190,
            {"transferred_at": after(70), "transfer_rate": OUTBOUND},
            {"telephony": "0.08", "transfer": "0.10", "model": "0.047"},
        ),
        # Hung up on an answering machine: one minute, however long it took.
        (95, {"end_requested_at": after(95), "end_requested_cause": "voicemail"}, {"telephony": "0.04"}),
    ],
)
def test_the_lines_of_a_bill(seconds: float, fields: dict[str, Any], lines: dict[str, str]) -> None:
    call = make_call(make_streaming_number(make_account()), BEGUN, **fields)
    lifecycle.finish(Call.objects.get_for_update(call.pk), ended_at=after(seconds), cause="normal_clearing")
    call.refresh_from_db()
    booked = {
        entry.key.removeprefix(f"call:{call.pk}:"): format_money(-entry.amount)
        for entry in LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:")
    }
    assert booked == lines
    assert call.total_cost == sum(Decimal(amount) for amount in lines.values())
    assert ledger_verification.find_problems() == KNOWN


def test_nothing_is_charged_for_a_failed_call() -> None:
    call = make_call(make_streaming_number(make_account()), BEGUN, status="ringing", answered_at=None)
    lifecycle.finish(Call.objects.get_for_update(call.pk), ended_at=after(20), cause="no_answer")
    call.refresh_from_db()
    assert (call.status, call.total_cost, ledger.balance(call.developer_id)) == ("failed", 0, 10)


def test_a_crash_between_any_two_steps_of_a_settlement() -> None:
    number = make_streaming_number(make_account("100"))
    fields: dict[str, Any] = {"transferred_at": after(70), "transfer_rate": OUTBOUND, "sandbox": True}
    calls: list[Call] = []

    def end(call: Call) -> None:
        lifecycle.end_call(call.pk, "normal_clearing", at=after(190))

    def work() -> None:
        end(calls[-1])

    calls.append(make_call(number, BEGUN, **fields))
    for _ in deaths(work):
        end(calls[-1])  # whichever process retries
        end(calls[-1])
        calls.append(make_call(number, BEGUN, **fields))
    calls.pop().delete()
    assert len(calls) > 10
    assert set(Call.objects.values_list("status", "telephony_cost", "model_cost")) == {
        ("completed", Decimal("0.18"), Decimal("0.047"))
    }
    for call in calls:
        assert LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:").count() == 3
        assert CallEvent.objects.filter(call=call, event_type="call.ended").count() == 1
    assert ledger.balance(number.developer_id) == 100 - len(calls) * Decimal("0.227")
    assert ledger_verification.find_problems() == KNOWN


def test_a_bill_stops_at_the_maximum_cost_of_the_call() -> None:
    number = make_streaming_number(make_account(), max_cost_per_call=Decimal("0.125"))
    call = make_call(number, BEGUN)
    # The second minute starts at $0.121, and each further thousandth is 1.5 s.
    assert settlement.seconds_within_limits(call, 3600) == 68
    assert settlement.bill(call, 68).total == Decimal("0.125")
