"""Impossible transfers: what the timeline, the webhook log, the model and the developer's server get, and what is tried instead."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from calls.live import database_threads, live_call, session_runner
from calls.live.database_threads import in_database
from calls.live.event_writer import WRITER
from calls.live.transfer_tool import NOT_POSSIBLE
from calls.models import Call, CallEvent, Transfer
from calls.session.model_notices import TAKEN_OVER
from phone_numbers.carriers.carrier_events import CarrierEventType
from phone_numbers.carriers.registry import forget_carriers
from tests import carriers, factories
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.calls.threads import finish_commands
from tests.calls.webhook_mode.test_webhook_mode import Line
from webhooks.http import outbound_http
from webhooks.models import WebhookDelivery
from webhooks.sending.replies import AnswerRefused

BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SALES, FIXED, SATELLITE, PREMIUM = "+12025559999", "+12025550111", "+8821612345678", "+19005551234"
RESULT = "transfer_to"


@pytest.fixture
async def carrier(settings: Any) -> AsyncIterator[None]:
    """A carrier that accepts every command."""

    async def accept_command(request: web.Request) -> web.Response:
        return web.json_response({"data": {"result": "ok", "call_control_id": "v3:leg"}})

    async with serving("/v2/{command:.*}", accept_command) as url:
        carriers.configure(settings, {"api_key": "KEY", "base_url": url.partition("/{")[0]})
        yield
        for threads in (database_threads.THREADS, WRITER.thread):
            await asyncio.gather(*(asyncio.wrap_future(threads.submit(connections.close_all)) for _ in range(8)))
        await asyncio.to_thread(finish_commands)
    forget_carriers()
    await sync_to_async(connections.close_all)()


dynamic = pytest.mark.usefixtures("carrier")


@asynccontextmanager
async def serving(path: str, take: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(path, take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tool_server(answer: Callable[[], web.Response]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        assert json.loads(await request.read())["tool"] == "transfer_call"
        return answer()

    async with serving("/tool", take) as url:
        yield url


def says(result: Any) -> Callable[[], web.Response]:
    return lambda: web.json_response({"result": result})


def call_with_transfer(url: str, fixed: str | None, **fields: Any) -> Call:
    number = make_streaming_number(make_account(), tool_webhook_url=url, transfer_number=fixed)
    return make_call(number, BEGIN, **fields)


async def ask(call: Call, *, is_wanted: bool = True, **arguments: Any) -> str:
    requester = session_runner.transfer_requester(await in_database(live_call.load, call.pk))
    assert requester is not None
    reply = await requester({"reason": "billing", **arguments}, lambda: is_wanted)
    await WRITER.drained()
    return reply


def failures(call: Call) -> list[tuple[str, str]]:
    """(to, reason) of each failed transfer."""
    events = CallEvent.objects.filter(call=call, event_type="transfer.failed").order_by("id")
    assert all(event.metadata["detail"] for event in events)
    return [(event.metadata["to"], event.metadata["reason"]) for event in events]


def outcome(call: Call) -> dict[str, Any]:
    (log,) = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.tool_call")
    attempt = log.attempts.get()
    return {
        "failed": failures(call),
        "tried": list(call.transfers.order_by("id").values_list("to_number", "briefing")),
        "success": attempt.success,
        "log": (log.status, attempt.error_message or ""),
    }


UNUSABLE: list[tuple[Callable[[], web.Response], tuple[str, str], str]] = [
    (says({RESULT: "+1 (202) 555-9999"}), ("+1 (202) 555-9999", "invalid_number"), "is not a phone number"),
    (says({RESULT: "sip:a@b.example"}), ("sip:a@b.example", "invalid_number"), "is not a phone number"),
    (says({RESULT: "tel:+12025559999"}), ("tel:+12025559999", "invalid_number"), "is not a phone number"),
    (says({RESULT: "911"}), ("911", "invalid_number"), "is not a phone number"),
    (says({RESULT: 12025559999}), ("12025559999", "invalid_number"), "is not a phone number"),
    (says({RESULT: [SALES]}), (f"['{SALES}']", "invalid_number"), "is not a phone number"),
    (says({RESULT: True}), ("True", "invalid_number"), "is not a phone number"),
    (says({RESULT: SATELLITE}), (SATELLITE, "premium_destination"), "cannot be called"),
    (says({RESULT: PREMIUM}), (PREMIUM, "premium_destination"), "cannot be called"),
    (says({RESULT: None}), ("", "no_destination"), "has no destination"),
    (says({}), ("", "no_destination"), "has no destination"),
    (says("ok"), ("", "no_destination"), "has no destination"),
    (says(None), ("", "no_destination"), "has no destination"),
    (lambda: web.json_response({}), ("", "no_destination"), "has no destination"),
    (lambda: web.json_response({"error": "We are closed."}), ("", "webhook_failed"), "We are closed."),
    (lambda: web.Response(status=204), ("", "no_destination"), "has no destination"),
    (lambda: web.Response(text=""), ("", "no_destination"), "has no destination"),
    (lambda: web.Response(text="Sales"), ("", "no_destination"), "has no destination"),
    (lambda: web.json_response({"error": "closed"}, status=503), ("", "webhook_failed"), "503"),
    (lambda: web.json_response({"error": "who?"}, status=404), ("", "webhook_failed"), "404"),
]


@dynamic
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("answer", "failed", "words"), UNUSABLE)
async def test_an_unusable_answer_is_on_the_timeline_and_the_fixed_number_is_tried(
    answer: Callable[[], web.Response], failed: tuple[str, str], words: str
) -> None:
    async with tool_server(answer) as url:
        call = await in_database(call_with_transfer, url, FIXED)
        assert await ask(call, briefing="A caller with a refund.") == ""
        found = await in_database(outcome, call)
    assert (found["failed"], found["tried"]) == ([failed], [(FIXED, "A caller with a refund.")])
    assert (found["success"], found["log"][0]) == (False, "failed")
    assert words in found["log"][1]


@dynamic
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fixed", [None, SATELLITE])
async def test_without_a_valid_fixed_number_the_model_gets_an_error(fixed: str | None) -> None:
    async with tool_server(says({RESULT: "sip:a@b.example"})) as url:
        call = await in_database(call_with_transfer, url, fixed)
        reply = await ask(call)
        found = await in_database(outcome, call)
    assert reply == NOT_POSSIBLE
    second = [(SATELLITE, "premium_destination")] if fixed else []
    assert (found["failed"], found["tried"]) == ([("sip:a@b.example", "invalid_number"), *second], [])


def unresolved_call(became: str, fixed: str) -> Call:
    number = make_streaming_number(make_account(), transfer_number=fixed)
    call = make_call(number, BEGIN)
    call.config["unusable_transfer_number"] = {"value": became, "source": "default"}
    call.save()
    return call


@dynamic
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("became", "reason"), [("{{desk}}", "no_destination"), ("front desk", "invalid_number"), ("12", "invalid_number")]
)
@pytest.mark.parametrize("fixed", [FIXED, ""])
async def test_variables_without_a_number_are_on_the_timeline_and_the_fixed_number_is_tried(
    became: str, reason: str, fixed: str
) -> None:
    call = await in_database(unresolved_call, became, fixed)
    assert await ask(call) == ("" if fixed else NOT_POSSIBLE)
    assert await in_database(failures, call) == [(became, reason)]
    tried = await in_database(lambda: list(call.transfers.values_list("to_number", flat=True)))
    assert tried == ([fixed] if fixed else [])


@dynamic
@pytest.mark.django_db(transaction=True)
async def test_after_a_timeout_of_the_server_the_fixed_number_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound_http, "TIMEOUT_SECONDS", 0.3)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        call = await in_database(call_with_transfer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", FIXED)
        assert await ask(call) == ""
        found = await in_database(outcome, call)
    assert (found["failed"], found["tried"]) == ([("", "webhook_failed")], [(FIXED, "")])


@dynamic
@pytest.mark.django_db(transaction=True)
async def test_a_number_returned_too_late_is_not_called() -> None:
    async with tool_server(says({RESULT: SALES})) as url:
        call = await in_database(call_with_transfer, url, FIXED)
        assert await ask(call, is_wanted=False) == TAKEN_OVER
        found = await in_database(outcome, call)
    assert found == {"failed": [], "tried": [], "success": True, "log": ("delivered", "")}


@dynamic
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_wrapped", [True, False])
async def test_a_usable_answer_is_called(is_wrapped: bool) -> None:
    result = {RESULT: SALES, "briefing": "Hello."}
    async with tool_server(lambda: web.json_response({"result": result} if is_wrapped else result)) as url:
        call = await in_database(call_with_transfer, url, FIXED)
        assert await ask(call) == ""
        found = await in_database(outcome, call)
    assert found == {"failed": [], "tried": [(SALES, "Hello.")], "success": True, "log": ("delivered", "")}


@dynamic
@pytest.mark.django_db(transaction=True)
async def test_the_calls_own_number_is_not_a_destination() -> None:
    own: dict[str, str] = {}
    async with tool_server(lambda: web.json_response({"result": {RESULT: own["number"]}})) as url:
        call = await in_database(call_with_transfer, url, FIXED)
        own["number"] = call.to_number
        assert await ask(call) == ""
        found = await in_database(outcome, call)
    assert (found["failed"], found["tried"]) == ([(call.to_number, "invalid_number")], [(FIXED, "")])


@dynamic
@pytest.mark.django_db(transaction=True)
async def test_a_call_that_has_ended_is_not_a_failed_transfer() -> None:
    async with tool_server(says({RESULT: SALES})) as url:
        call = await in_database(call_with_transfer, url, FIXED, end_requested_at=BEGIN)
        assert "ended" in await ask(call)
        found = await in_database(outcome, call)
    assert found == {"failed": [], "tried": [], "success": True, "log": ("delivered", "")}


# --- the API ----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("to", "status", "failed"),
    [
        (SATELLITE, 403, [(SATELLITE, "premium_destination")]),
        (PREMIUM, 403, [(PREMIUM, "premium_destination")]),
        ("+1 (202) 555-9999", 422, []),
        ("sip:a@b.example", 422, []),
        ("", 422, []),
    ],
)
def test_the_api_refuses_a_transfer(to: str, status: int, failed: list[tuple[str, str]]) -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN)
    for briefing in ({}, {"briefing": "A caller with a refund."}):
        answer = Client().post(
            f"/api/v1/calls/{call.pk}/transfer",
            {"to": to, **briefing},
            content_type="application/json",
            headers=factories.bearer(call.developer),
        )
        assert answer.status_code == status
    assert (failures(call), call.transfers.count()) == (failed * 2, 0)
    call.refresh_from_db()
    assert (call.status, call.end_requested_at) == ("answered", None)


# --- webhook mode -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize("to", ["+1 (202) 555-9999", "sip:a@b.example", 12025559999, None, {}])
@pytest.mark.parametrize("event", ["call.incoming", "call.speech"])
def test_a_malformed_transfer_is_recorded_once_for_all_retries(event: str, to: Any) -> None:
    line = Line()
    if event == "call.speech":
        line.answered()
        line.report(CarrierEventType.TRANSCRIPTION, 15, detail="Sales, please.")
    for _ in range(2):
        assert "E.164" in line.reply(event, action="transfer", to=to)
    assert failures(line.call) == [("" if to is None else str(to), "invalid_number")]


@pytest.mark.django_db
def test_a_refused_transfer_counts_as_malformed_before_the_answer() -> None:
    line = Line()
    assert "cannot be called" in line.reply("call.incoming", action="transfer", to=PREMIUM)
    call = line.call
    assert (failures(call), call.answer_requested_at) == ([(PREMIUM, "premium_destination")], None)
    assert not Transfer.objects.exists()


@pytest.mark.django_db
def test_a_refused_transfer_does_not_change_an_answered_call() -> None:
    line = Line().answered()
    line.report(CarrierEventType.TRANSCRIPTION, 15, detail="Sales, please.")
    with pytest.raises(AnswerRefused, match="cannot be called"):
        line.reply("call.speech", action="transfer", to=PREMIUM)
    call = line.call
    assert (failures(call), call.status, call.end_requested_at) == (
        [(PREMIUM, "premium_destination")],
        "answered",
        None,
    )
    assert json.loads(line.hook("call.transfer.failed").body) == {
        "event": "call.transfer.failed",
        "call_id": str(call.pk),
        "to": PREMIUM,
        "reason": "premium_destination",
        "timestamp": json.loads(line.hook("call.transfer.failed").body)["timestamp"],
    }
