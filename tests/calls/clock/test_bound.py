"""However many calls run and whatever they cost, metering every second ends them before the balance falls below zero."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import ledger
from bubblyphone.core.errors import InsufficientFunds
from bubblyphone.core.money import ZERO
from calls.charging import balance_holds
from calls.charging.admission import admit
from calls.clock import metering
from calls.models import Call
from tests.calls.rows import describe_call, make_account, make_streaming_number

PRICES = st.sampled_from([Decimal(text) for text in ("0", "0.04", "0.12", "0.9", "2.5")])
CALLS = st.lists(
    st.fixed_dictionaries(
        {"telephony_rate": PRICES, "model_rate": PRICES, "mode": st.sampled_from(["streaming", "webhook"])}
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.django_db
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(credit=st.decimals(min_value="0.50", max_value="8", places=2), descriptions=CALLS, data=st.data())
def test_calls_end_before_the_money_does(
    credit: Decimal, descriptions: list[dict[str, object]], data: st.DataObject
) -> None:
    with transaction.atomic():
        number = make_streaming_number(make_account(str(credit)))
        begun = timezone.now()
        for fields in descriptions:
            call = describe_call(number, begun, sandbox=True, carrier_call_id=None, **fields)
            try:
                admit(call)
            except InsufficientFunds:
                continue
            answered = begun + timedelta(milliseconds=data.draw(st.integers(0, 90_000)))
            call.answered_at = call.started_at = answered
            call.save()
        now, costly = begun, [call for call in Call.objects.all() if metering.is_costly(call)]
        while running := list(Call.objects.filter(pk__in=[call.pk for call in costly], status="answered")):
            now += timedelta(seconds=1)
            soon = now + timedelta(seconds=30)
            spent_soon = sum(
                (balance_holds.accrued_cost(call, soon) + balance_holds.spoken_cost(call) for call in running), ZERO
            )
            if spent_soon < ledger.balance(number.developer_id):
                now = soon  # nothing happens until then
            listening = [call.pk for call in running if balance_holds.spoken_cost(call)]
            if listening and data.draw(st.booleans()):
                Call.objects.filter(pk=data.draw(st.sampled_from(listening))).update(speech_transcribed=True)
            metering.meter_once(now)
        assert {call.hangup_cause for call in Call.objects.filter(pk__in=[call.pk for call in costly])} <= {
            "insufficient_balance",
            "max_duration",
        }
        assert ledger.balance(number.developer_id) >= 0
        transaction.set_rollback(True)
