"""Every await of a session fails once: closed, refused, slow, lost without an error, or canceled with its process. The call
continues or ends as it should, and is billed once, for as long as it lasted.
"""

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.utils import timezone

from agents.providers.registry import get_model
from billing import ledger, ledger_verification
from billing.models import LedgerEntry
from calls.charging import balance_holds
from calls.clock import sweeper
from calls.control import lifecycle
from calls.live import live_call, live_sessions, media_socket, session_runner
from calls.live.database_threads import in_database
from calls.live.event_writer import WRITER
from calls.live.live_call import LiveCall
from calls.models import Call
from calls.session import detached_tasks
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.models import PhoneNumber
from tests import carriers
from tests.calls.rows import KNOWN, make_account, make_call, make_streaming_number
from tests.calls.talkative import FAULTS, Fault, Gone, PatientCaller
from tests.long_runs import IS_LONG
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)
LONGEST_SECONDS = 12
BALANCE = 100
PRICE = Decimal("0.04")  # per minute, for telephony and for the model each
LOOK = {"name": "look", "description": "Look it up", "parameters": {"type": "object", "properties": {}}}
# The most time between an event and its row, on a busy machine.
LATE = timedelta(seconds=3)
# About forty calls run at the same time. A call that takes longer than this hangs.
PATIENCE_SECONDS = 90
# One of these follows each call of a developer's tool, perhaps after the session has ended.
TOOL_ENDS = ("tool.returned", "tool.abandoned")
# The last sign of life of a process that dies is at most this old (HEARTBEAT_SECONDS).
SIGN_OF_LIFE = timedelta(seconds=live_sessions.HEARTBEAT_SECONDS)


@dataclass
class CutCall:
    """A whole call, from the greeting to its end, with one fault."""

    fault: Fault
    id: int
    over_at: datetime  # when its session ended

    async def names(self) -> list[str]:
        """The timeline's events that the session or the API wrote."""
        return await in_database(
            lambda: list(
                Call.objects.get(pk=self.id)
                .events.filter(source__in=["streaming", "api"])
                .order_by("event_timestamp", "id")
                .values_list("event_type", flat=True)
            )
        )

    async def tools(self, *event_types: str) -> Counter[str]:
        """How often each of the developer's tools occurs in these events."""
        rows = await in_database(lambda: list(Call.objects.get(pk=self.id).events.filter(event_type__in=event_types)))
        return Counter(row.metadata["tool"] for row in rows if row.metadata["tool"] != "end_call")


@pytest.fixture
async def number(settings: Any) -> AsyncIterator[PhoneNumber]:
    """A number with the talkative model, and with a tool on a server that the faults also affect."""
    settings.MODEL_PROVIDERS = {
        **settings.MODEL_PROVIDERS,
        "google": {"BACKEND": "tests.calls.talkative.TalkativeModel", "OPTIONS": {}},
    }
    app = web.Application()
    app.router.add_post("/tool", run_tool)
    app.router.add_post("/v2/calls/{call}/actions/{command}", accept_command)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    carriers.configure(settings, {"api_key": "KEY", "base_url": f"{address}/v2"})
    get_model.cache_clear()
    forget_carriers()
    yield await in_database(
        lambda: make_streaming_number(
            make_account(str(BALANCE)),
            max_call_duration=LONGEST_SECONDS,
            silence_timeout=LONGEST_SECONDS,
            tools=[LOOK],
            tool_webhook_url=f"{address}/tool",
        )
    )
    await runner.cleanup()
    FAULTS.clear()
    get_model.cache_clear()
    forget_carriers()
    await asyncio.wrap_future(WRITER.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


async def run_tool(request: web.Request) -> web.Response:
    call_id = (await request.json())["call_id"]
    try:
        await FAULTS[call_id].inject_at("tool")
    except Gone:
        assert request.transport is not None
        request.transport.abort()
    return web.json_response({"result": "seen"})


async def accept_command(request: web.Request) -> web.Response:
    """The carrier accepts every command. Its reports come later."""
    return web.json_response({"data": {"result": "ok"}})


def begin_call(number: PhoneNumber) -> LiveCall:
    """A call answered just now. Its system prompt is its ID."""
    call = make_call(number, timezone.now(), carrier_call_id=f"v3:{next(_calls)}")
    call.config["system_prompt"]["value"] = str(call.pk)
    call.save()
    return live_call.load(call.pk)


_calls = itertools.count()


def report_end(call_id: int, *, at: datetime | None = None) -> None:
    """The carrier reports the end of a call, twice."""
    call = Call.objects.get(pk=call_id)
    for number in range(2):
        ended = CarrierEvent(
            CarrierEventType.ENDED,
            f"{call_id}:{number}:{at}",
            call.carrier_call_id or "",
            at or timezone.now(),
            cause="normal_clearing",
            carrier="telnyx",
        )
        with transaction.atomic():
            lifecycle.apply_carrier_event(ended)


async def run_call(number: PhoneNumber, fault: Fault) -> CutCall:
    call = await in_database(begin_call, number)
    FAULTS[str(call.call_id)] = fault

    async def hung_up() -> None:
        await in_database(report_end, call.call_id)

    fault.run = asyncio.create_task(media_socket.hold_line(call, PatientCaller(fault, hung_up)))  # type: ignore[arg-type]
    await asyncio.wait([fault.run], timeout=PATIENCE_SECONDS)
    assert fault.run.done(), (fault.kind, fault.name, fault.at, fault.awaits)
    await asyncio.gather(fault.run, return_exceptions=True)
    return CutCall(fault, call.call_id, timezone.now())


async def run_calls(number: PhoneNumber, faults: list[Fault]) -> list[CutCall]:
    """Run calls with these faults at the same time. The carrier hangs up late, and not at all for calls whose process died."""
    calls = await asyncio.gather(*(run_call(number, fault) for fault in faults))
    await detached_tasks.finished(LONGEST_SECONDS)  # running tools
    await WRITER.drained()
    now = timezone.now()
    for call in calls:
        if call.fault.kind != "canceled":
            await in_database(report_end, call.id, at=now + timedelta(seconds=30))
    for seconds in (16, 20, 46):
        await in_database(sweeper.sweep_once, now + timedelta(seconds=seconds))
    for call in calls:
        await in_database(report_end, call.id, at=now + timedelta(seconds=60))
    return calls


def check_bills(number: PhoneNumber, calls: list[CutCall]) -> None:
    """Each call is over and charged once, for its duration up to the maximum, and no hold is left."""
    total = Decimal(0)
    for cut in calls:
        call = Call.objects.get(pk=cut.id)
        where = (cut.fault.kind, cut.fault.name, cut.fault.at, call.hangup_cause)
        assert call.status == "completed", where
        assert call.answered_at is not None
        assert call.ended_at is not None
        lasted = math.ceil((call.ended_at - call.answered_at).total_seconds())
        assert call.duration_seconds == min(lasted, LONGEST_SECONDS), where
        # It ends when the session knew, not at the time of a later report.
        closed_at = call.events.get(event_type="stream.disconnected").event_timestamp
        earliest = closed_at - LATE - (SIGN_OF_LIFE if cut.fault.kind == "canceled" else timedelta())
        is_reported = call.hangup_cause == "normal_clearing" and call.end_requested_at is None
        if is_reported:  # the session learned of it afterwards
            earliest -= timedelta(seconds=session_runner.HANGUP_REPORT_SECONDS + 1)
        assert earliest <= call.ended_at <= cut.over_at, where
        minutes = Decimal(call.duration_seconds) / 60
        model = (PRICE * minutes).quantize(Decimal("0.001"), ROUND_HALF_UP)
        costs = {"telephony": PRICE * math.ceil(minutes), "model": model}
        entries = LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:")
        booked = {kind: -amount for kind, amount in entries.values_list("kind", "amount")}
        # A call whose process died before its first sign of life costs nothing.
        assert booked == {kind: cost for kind, cost in costs.items() if cost}, where
        assert {"telephony": call.telephony_cost, "model": call.model_cost} == costs, where
        assert entries.count() == len(booked), where
        assert call.events.filter(event_type="call.ended").count() == 1, where
        sent = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type__in=["call.ended", "call.hangup"])
        assert sorted(sent.values_list("event_type", flat=True)) == ["call.ended", "call.hangup"], where
        total += sum(booked.values())
    assert ledger.balance(number.developer_id) == BALANCE - total
    assert balance_holds.held(number.developer_id) == 0
    assert ledger_verification.find_problems() == KNOWN


async def test_the_call_ends_normally_without_a_fault(number: PhoneNumber) -> None:
    fault = Fault("none")
    (call,) = await run_calls(number, [fault])
    assert {"model.truncate", "line.clear", "tool", "model.send_tool_result", "line.send_mark"} <= set(fault.awaits)
    names = await call.names()
    assert (len(fault.sessions), names.count("tool.called"), names[-1]) == (1, 2, "stream.disconnected")
    assert "dead_air" not in names
    await in_database(check_bills, number, [call])
    assert (await in_database(Call.objects.get, pk=call.id)).hangup_cause == "normal_clearing"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["closed", "refused", "slow", "lost", "canceled"])
async def test_each_await_fails_once(number: PhoneNumber, kind: str) -> None:
    (without_fault,) = await run_calls(number, [Fault("none")])
    times = Counter(without_fault.fault.awaits)
    # The first and the last of each name; in long runs also those in between.
    faults = [
        Fault(kind, name, at)
        for name in times
        for at in (range(1, times[name] + 1) if IS_LONG else sorted({1, times[name]}))
    ]
    calls = await run_calls(number, faults)
    for call in calls:
        fault = call.fault
        ended = await in_database(Call.objects.get, pk=call.id)
        names = await call.names()
        where = (fault.kind, fault.name, fault.at, ended.hangup_cause, names)
        # Not every call has as many awaits of a name as the one without a fault, but each has the first.
        assert fault.has_happened or fault.at > 1, where
        if fault.has_happened:
            assert ended.hangup_cause in expected_ends(kind, fault.name), where
            assert all(session.is_closed for session in fault.sessions), where
            # A tool's request outlives the call; nothing else does.
            assert [each for each in names if each not in TOOL_ENDS][-1] == "stream.disconnected", where
        assert await call.tools("tool.called") == await call.tools(*TOOL_ENDS), where
    await in_database(check_bills, number, [without_fault, *calls])


def expected_ends(kind: str, name: str) -> set[str]:
    """The possible hangup causes of a call whose await of this name failed."""
    if kind == "canceled":
        return {"carrier_failed"}  # its process is gone, and no other process took over
    if kind == "lost" and name.startswith("line"):
        return {"carrier_failed", "normal_clearing"}  # no report says whether the caller hung up
    if kind == "refused" or (kind in {"closed", "lost"} and name == "model.connect"):
        # If the model is gone permanently, the call ends; other faults are repaired.
        return {"normal_clearing", "model_failed"} if name.startswith("model") else {"normal_clearing"}
    return {"normal_clearing"}
