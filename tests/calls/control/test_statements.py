"""The database statements of an inbound call until it is answered, and at its end: they decide how long callers hear it ring."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import LedgerEntry
from calls.control import commands, inbound
from calls.models import Call
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.registry import forget_carriers
from tests.calls.control.dialects import OURS, PERSON, TelnyxDialect
from tests.calls.rows import make_account, make_streaming_number
from tests.fakes.recording_server import RecordingServer

pytestmark = pytest.mark.django_db
# An event that is sent to one address. The last one also wakes the clock.
EVENT = ["INSERT event", "SELECT webhookendpoint", "INSERT webhookdelivery"]
TABLE = re.compile(r'(?:FROM|INTO|UPDATE) "?(?:\w+?_)?(\w+)"?')


@pytest.fixture(autouse=True)
def carrier(settings: Any) -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        TelnyxDialect(settings, server)
        make_streaming_number(make_account(), e164=OURS)
        yield server
    forget_carriers()


def report(kind: CarrierEventType, **fields: Any) -> list[str]:
    """Apply a report; returns the statements, except those of the transaction itself, which the test has made a savepoint."""
    event = CarrierEvent(kind, f"id:{kind}", "v3:call", timezone.now(), carrier="telnyx", **fields)
    with CaptureQueriesContext(connection) as queries:
        inbound.receive(event)
    return [in_short(query["sql"]) for query in queries.captured_queries[1:-1]]


def in_short(sql: str) -> str:
    """Such as "SELECT call"."""
    found = TABLE.search(sql)
    return f"{sql.split()[0]} {found[1]}" if found else sql.split("(")[0]


def ring() -> list[str]:
    parties = {"from_number": PERSON, "to_number": OURS}
    return report(CarrierEventType.INITIATED, direction="inbound", **parties)


def test_the_statements_of_a_call_that_rings() -> None:
    assert ring() == [
        "INSERT carriereventrecord",
        "SELECT call",
        "SELECT phonenumber",  # with its agent, its agent's version, and its account
        "SELECT aimodel",
        "SELECT telephonyrate",
        "SELECT developer",  # locks the account
        "SELECT numberpurchase",
        "SELECT call",  # what the account's calls hold
        "SELECT developer",  # its balance
        "SELECT spendingcap",
        "INSERT call",
        "INSERT callevent",
        "INSERT callevent",
        *EVENT,
        "SELECT carriereventrecord",
    ]


def test_the_statements_before_the_answer_command() -> None:
    ring()
    call = Call.objects.get()
    with CaptureQueriesContext(connection) as queries:
        commands.answer(call)
    assert [in_short(query["sql"]) for query in queries.captured_queries] == ["UPDATE call", "SELECT medianode"]
    call.refresh_from_db()
    assert call.media_token_hash != ""
    assert call.last_command_at is not None


def test_the_statements_of_a_call_that_ends() -> None:
    ring()
    report_of_answer = ["INSERT carriereventrecord", "SELECT call", "UPDATE call", "INSERT callevent", *EVENT]
    assert report(CarrierEventType.ANSWERED) == report_of_answer
    Call.objects.update(model_spoke_at=timezone.now())
    assert report(CarrierEventType.ENDED, cause="normal_clearing") == [
        "INSERT carriereventrecord",
        "SELECT call",
        "SELECT transfer",
        "SELECT meteredcost",
        "SELECT ledgerentry",
        "INSERT ledgerentry",  # telephony and model
        "UPDATE call",
        "INSERT callevent",
        *EVENT,
        *EVENT,
        "SELECT transfer",
    ]
    assert LedgerEntry.objects.filter(key__startswith="call:").count() == 2
