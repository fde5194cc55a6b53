"""Scheduled calls are dialed exactly once, even if the process dies, or not at all, and then the row says why."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from billing.models import LedgerEntry
from bubblyphone.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from calls.clock import due_calls, sweeper
from calls.control import scheduled_calls
from calls.models import Call, DialingPolicy, ScheduledCall
from calls.policy import services as policies
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_streaming_number
from tests.deaths import dying_after
from tests.factories import make_agent
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.conftest import configure_carrier, exchange

__all__ = ["configure_carrier", "exchange"]
TO = "+12025550123"
pytestmark = pytest.mark.usefixtures("empty_redis")


def schedule(number: PhoneNumber, to: str = TO, **given: Any) -> ScheduledCall:
    """A call that is due in an hour, unless `given` says otherwise."""
    fields = {
        "agent": None,
        "variables": {},
        "due_at": timezone.now() + timedelta(hours=1),
        "time_zone": "UTC",
        **given,
    }
    return scheduled_calls.schedule(developer=number.developer, number=number, to=to, **fields)


def make_number(exchange: ExchangeThread, **fields: Any) -> PhoneNumber:
    number = make_streaming_number(make_account("50"), model_slug="local-offline", **fields)
    exchange.exchange.own(number.e164)
    return number


def legs_to(exchange: ExchangeThread, to: str) -> int:
    return sum(leg.to_number == to for leg in list(exchange.exchange.switch.legs.values()))


@pytest.mark.django_db(transaction=True)
def test_a_call_is_dialed_once_wherever_the_process_dies(exchange: ExchangeThread) -> None:
    number, due = make_number(exchange), timezone.now() + timedelta(hours=1, minutes=1)

    def die_after(statements: int) -> int:
        """Die, let another process continue, and expect one call. Returns how many statements were left."""
        row = schedule(number, f"+1202555{statements:04}", due_at=due)
        with dying_after(statements) as countdown:
            due_calls.dial_once(due)
        for later in (6, 12):
            Call.objects.filter(carrier_call_id=None).update(started_at=timezone.now() - timedelta(minutes=2))
            sweeper.end_never_dialed(timezone.now())
            due_calls.dial_once(due + timedelta(seconds=later))
            due_calls.resume_once(due + timedelta(seconds=later))
        row.refresh_from_db()
        assert row.status == "dialed" and row.call is not None
        assert row.call.carrier_call_id and legs_to(exchange, row.to_number) == 1
        assert Call.objects.filter(to_number=row.to_number).count() == 1
        Call.objects.update(status="failed", ended_at=timezone.now())
        return countdown.left

    total = 500 - die_after(500)
    assert total > 20
    # Every statement after the commit, and every seventh before it.
    for statements in (*range(0, total - 8, 7), *range(total - 8, total + 1)):
        die_after(statements)


def deplete(row: ScheduledCall) -> None:
    LedgerEntry.objects.bulk_create(
        [LedgerEntry(developer=row.developer, key="spent", kind="adjustment", amount=Decimal(-50), description="Spent")]
    )


# What happens before the call is due, then the row's reason and part of its detail.
REFUSALS: dict[str, tuple[Any, str, str]] = {
    "no money": (deplete, "insufficient_balance", "Your balance is too low"),
    "do not call": (
        lambda row: policies.add(developer_id=row.developer_id, phone_number=TO, source="page"),
        "do_not_call",
        "do-not-call list",
    ),
    "other hours": (
        lambda row: DialingPolicy.objects.create(
            developer=row.developer,
            calling_hours={"start": "00:00", "end": "00:01", "days": [f"{row.due_at - timedelta(days=2):%a}".lower()]},
        ),
        "outside_calling_hours",
        "outside your calling hours",
    ),
    "the agent is gone": (lambda row: Agent.objects.all().delete(), "agent_deleted", "The agent was deleted."),
    "a number without credit": (
        lambda row: PhoneNumber.objects.update(status="suspended"),
        "conflict",
        "This number is suspended",
    ),
    "a variable without a value": (
        lambda row: Agent.objects.update(system_prompt="Hi {{name}}."),
        "invalid_request",
        "Missing variables: name",
    ),
    "no clock for long": (
        lambda row: ScheduledCall.objects.update(due_at=row.due_at - timedelta(minutes=16)),
        "missed",
        "The server was not running",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSALS)
def test_a_call_refused_when_due_says_why(exchange: ExchangeThread, case: str) -> None:
    happen, reason, text = REFUSALS[case]
    number = make_number(exchange)
    agent = make_agent(developer=number.developer, model_slug="local-offline", system_prompt="Be brief.")
    row = schedule(number, agent=agent)
    happen(row)
    due_calls.dial_once(row.due_at)
    row.refresh_from_db()
    assert (row.status, row.reason, row.call) == ("not_dialed", reason, None)
    assert text in row.detail
    assert legs_to(exchange, TO) == 0
    assert not Call.objects.filter(refusal_reason="").exists()
    due_calls.dial_once(row.due_at + timedelta(seconds=5))
    assert legs_to(exchange, TO) == 0


@pytest.mark.django_db
def test_a_call_waits_until_it_is_due_and_can_be_canceled_before(exchange: ExchangeThread) -> None:
    number = make_number(exchange)
    row, other = schedule(number, variables={"name": "Ada"}), schedule(number)
    due_calls.dial_once(row.due_at - timedelta(seconds=1))
    assert not Call.objects.exists()
    with pytest.raises(NotFound):
        scheduled_calls.cancel(developer=make_account(), pk=other.pk)
    scheduled_calls.cancel(developer=number.developer, pk=other.pk)
    due_calls.dial_once(other.due_at)
    call = Call.objects.get()
    assert (call.scheduled, call.dynamic_variables, legs_to(exchange, TO)) == (row, {"name": "Ada"}, 1)
    with pytest.raises(Conflict):
        scheduled_calls.cancel(developer=number.developer, pk=row.pk)
    other.refresh_from_db()
    assert other.status == "canceled"


@pytest.mark.django_db
def test_accounts_take_turns(exchange: ExchangeThread) -> None:
    busy, other = make_number(exchange), make_number(exchange)
    rows = [schedule(busy, f"+1202555{at:04}") for at in range(3)]
    last = schedule(other, due_at=rows[0].due_at + timedelta(minutes=1))
    assert scheduled_calls.due(last.due_at) == [rows[0].pk, last.pk, rows[1].pk, rows[2].pk]


@pytest.mark.django_db
def test_a_call_that_could_never_be_dialed_is_refused_immediately(exchange: ExchangeThread) -> None:
    number, now = make_number(exchange), timezone.now()
    for due_at in (now - timedelta(seconds=1), now + timedelta(days=367)):
        with pytest.raises(InvalidRequest):
            schedule(number, due_at=due_at)
    policies.add(developer_id=number.developer_id, phone_number=TO, source="page")
    for to in (TO, "+19005550100"):
        with pytest.raises(Forbidden):
            schedule(number, to)
    assert not ScheduledCall.objects.exists()
