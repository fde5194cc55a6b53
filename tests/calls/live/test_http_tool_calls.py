"""Tools with their own URL, over a real connection: what the server gets, what the model gets, what is stored."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client
from django.utils import timezone

from agents.secrets import create_secret
from calls.control import call_variables
from calls.live import live_call, session_runner
from calls.live.event_writer import WRITER
from calls.live.tool_results import FAILED, NO_ANSWER
from calls.live.transfer_tool import NOT_POSSIBLE
from calls.models import Call, DialingPolicy
from calls.policy.calling_hours import DAYS
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer
from tests.fakes.recording_server import Answer, RecordingServer
from webhooks.models import WebhookDelivery
from webhooks.sending.signing import signature_headers, signing_keys

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "s3cret/value"
NEVER = {"start": "10:00", "end": "11:00", "days": [DAYS[(timezone.now() + timedelta(days=3)).weekday()]]}


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    yield await sync_to_async(lambda: make_call(make_streaming_number(make_account()), timezone.now()))()
    await WRITER.drained()
    await asyncio.wrap_future(WRITER.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


@sync_to_async
def runner_of(call: Call, tools: list[dict[str, Any]]) -> Any:
    """The call's tool runner, as its session has it."""
    call.config["tools"] = {"value": tools, "source": "agent"}
    call.save()
    if not call.developer.secrets.exists():
        create_secret(developer=call.developer, name="KEY", value=SECRET)
    return session_runner.tool_runner(live_call.load(call.pk))


@sync_to_async
def runner_and_transfer_of(call: Call, tool: dict[str, Any], transfer_number: str) -> Any:
    """The tool runner and transfer requester of a call that is still ringing at its carrier."""
    Call.objects.filter(pk=call.pk).update(status="ringing", answered_at=None, carrier_call_id="v3:1")
    call.refresh_from_db()
    call.config["transfer_number"] = {"value": transfer_number, "source": "agent"}
    call.config["tools"] = {"value": [tool], "source": "agent"}
    call.save(update_fields=["config"])
    call_variables.put_in(call, call.settings, {})
    live = live_call.load(call.pk)
    return session_runner.tool_runner(live), session_runner.transfer_requester(live)


@sync_to_async
def logged(call: Call) -> list[tuple[Any, ...]]:
    rows = WebhookDelivery.objects.filter(subject=f"call:{call.pk}").order_by("id")
    return [
        (row.tool, row.method, row.url, row.body, row.status, attempt.response_body, attempt.error_message)
        for row in rows
        for attempt in row.attempts.all()
    ]


@sync_to_async
def get_json(call: Call, path: str) -> Any:
    headers = bearer(call.developer)
    return Client().get(f"/api/v1{path}", headers=headers).json()["data"]


async def test_the_request_its_log_and_its_result(call: Call) -> None:
    echo = f'{{"data": {{"id": 7, "key": "{SECRET}", "list": [{{"name": "Ada"}}]}}}}'
    with RecordingServer([Answer(200, echo.encode())]) as server:
        tool = {
            "name": "find",
            "parameters": {"id": "string"},
            "url": f"{server.url}/people/{{id}}?key={{{{secret.KEY}}}}",
            "headers": {"Authorization": "Bearer {{secret.KEY}}", "X-Caller": "{{caller_number}}", "Content-Type": "text/x"},
            "method": "PATCH",
            "result_path": "data",
            "save_as": {"person": "data.list.0.name"},
        }  # fmt: skip
        run = await runner_of(call, [tool])
        result = await run("find", {"id": "a/b"}, "call_1")
        await WRITER.drained()
    (request,) = server.requests
    assert (request.method, request.path, request.body) == (
        "PATCH",
        "/people/a%2Fb?key=s3cret%2Fvalue",
        b'{"id":"a/b"}',
    )
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert (headers["authorization"], headers["x-caller"], headers["content-type"], headers["idempotency-key"]) == (
        f"Bearer {SECRET}", "+15551230000", "text/x", f"{call.pk}:call_1",
    )  # fmt: skip
    delivery = await WebhookDelivery.objects.select_related("signing_secret").aget()
    signed = signature_headers(
        signing_keys(delivery.signing_secret), '{"id":"a/b"}', delivery.webhook_id, int(headers["x-timestamp"])
    )  # type: ignore[arg-type]
    assert headers["x-signature"] == signed["X-Signature"]
    assert result == {"result": {"id": 7, "key": "•••", "list": [{"name": "Ada"}]}}
    masked = echo.replace(SECRET, "•••")
    url = f"{server.url}/people/a%2Fb?key=•••"
    assert await logged(call) == [("find", "PATCH", url, '{"id":"a/b"}', "delivered", masked, None)]
    await call.arefresh_from_db()
    assert call.dynamic_variables == {"person": "Ada"}
    texts = [json.dumps(await get_json(call, f"/calls/{call.pk}{path}")) for path in ("", "/webhook-logs", "/events")]
    assert SECRET not in "".join(texts)


async def test_a_saved_variable_is_used_by_the_next_tool(call: Call) -> None:
    with RecordingServer([Answer(200, b'{"id": 12}'), Answer(200, b"booked")]) as server:
        run = await runner_of(
            call,
            [
                {"name": "find", "url": server.url, "method": "GET", "save_as": {"room": "id"}},
                {"name": "book", "url": f"{server.url}/rooms/{{{{room}}}}", "headers": {"X-Room": "{{room}}"}},
            ],
        )
        assert await run("book", {}, "1") == {"error": FAILED}
        assert await run("find", {}, "2") == {"result": {"id": 12}}
        assert await run("book", {}, "3") == {"result": "booked"}
        await WRITER.drained()
    assert [request.path for request in server.requests] == ["/", "/rooms/12"]
    assert server.requests[1].headers["X-Room"] == "12"
    (first,) = [entry for entry in await logged(call) if entry[4] == "failed"]
    assert first[-1] == "The variable room has no value, but the URL requires it."


async def test_a_transfer_to_a_saved_variable_is_checked_against_the_whole_policy(call: Call) -> None:
    """A server chose the number during the call, so hours and attempts apply, unlike for a number that the owner set."""
    with RecordingServer([Answer(200, b'{"desk": {"phone": "+12025550123"}}')]) as server:
        tool = {"name": "find", "url": server.url, "save_as": {"desk": "desk.phone"}}
        run, transfer = await runner_and_transfer_of(call, tool, "{{desk}}")
        assert await transfer({}, lambda: True) == NOT_POSSIBLE
        await run("find", {}, "1")
        policy = await DialingPolicy.objects.acreate(developer=call.developer, calling_hours=NEVER)
        assert await transfer({}, lambda: True) == NOT_POSSIBLE
        await policy.adelete()
        assert await transfer({}, lambda: True) == ""
        await WRITER.drained()
    failed = call.events.filter(event_type="transfer.failed").order_by("pk")
    reasons = [metadata["reason"] async for metadata in failed.values_list("metadata", flat=True)]
    assert reasons == ["no_destination", "outside_calling_hours"]
    assert [to async for to in call.transfers.values_list("to_number", flat=True)] == ["+12025550123"]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Answer(200, b'{"a": {"b": [1, 2]}}'), {"result": 2}),
        (Answer(200, b"plain text"), {"result": "plain text"}),
        (Answer(200, b'{"a": 1}'), {"error": FAILED}),
        (Answer(404, b'{"a": {"b": [1, 2]}}'), {"error": FAILED}),
        (Answer(302, b"", {"Location": "/"}), {"error": FAILED}),
        (Answer(None), {"error": NO_ANSWER}),
    ],
)
async def test_results_of_responses(call: Call, answer: Answer, result: Any) -> None:
    with RecordingServer([answer]) as server:
        run = await runner_of(call, [{"name": "find", "url": server.url, "result_path": "a.b.1"}])
        assert await run("find", {}, "1") == result
        assert len(server.requests) == 1  # whatever the result
        await WRITER.drained()


async def test_a_refused_connection_is_an_error_in_the_log(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    run = await runner_of(call, [{"name": "find", "url": f"http://127.0.0.1:{port}/"}])
    assert await run("find", {}, "1") == {"error": NO_ANSWER}
    await WRITER.drained()
    assert [entry[-1] for entry in await logged(call)] == [f"Connection to 127.0.0.1 refused (port {port})."]


async def test_a_tool_with_a_deleted_secret_fails(call: Call) -> None:
    with RecordingServer([]) as server:
        run = await runner_of(call, [{"name": "find", "url": server.url, "headers": {"X": "{{secret.GONE}}"}}])
        assert await run("find", {}, "1") == {"error": FAILED}
        await WRITER.drained()
    assert server.requests == []
    assert (await logged(call))[0][-1] == "The secret GONE does not exist."
