"""The developer's tools over a real connection: what the model gets and what the webhook log contains, whatever happens."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from calls.clock import sweeper
from calls.live import tool_requests
from calls.live.event_writer import WRITER
from calls.live.tool_calls import CallFacts, SigningIdentity, ToolWebhook
from calls.live.tool_results import FAILED, NO_ANSWER, TOO_LONG
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.fakes.recording_server import Answer, ReceivedRequest, RecordingServer
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.sending.signing import signing_keys

pytestmark = pytest.mark.django_db(transaction=True)


class SlowServer(RecordingServer):
    """Answers after `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__([Answer(200, b'{"result": "booked"}')])
        self.may_answer = threading.Event()

    def answer_to(self, request: ReceivedRequest) -> Answer:
        self.may_answer.wait(30)
        return super().answer_to(request)


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    yield await sync_to_async(lambda: make_call(make_streaming_number(make_account()), timezone.now()))()
    await WRITER.drained()
    await asyncio.wrap_future(WRITER.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


@sync_to_async
def webhook(call: Call, url: str) -> ToolWebhook:
    assert call.phone_number is not None
    secret = call.phone_number.signing_secret
    return ToolWebhook(
        facts=CallFacts(
            call_id=str(call.pk), from_number="+15551230000", to_number="+16285550100", direction="inbound"
        ),
        url=url,
        signing_identity=SigningIdentity(signing_keys(secret), call.developer_id, secret.pk),
    )


@sync_to_async
def log_of(call: Call) -> list[tuple[str, list[tuple[int | None, bool, str | None]]]]:
    """The log entries of a call's tools: status, and the HTTP status, success and error of each attempt."""
    rows = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.tool_call").order_by("id")
    attempts = "response_status", "success", "error_message"
    return [(row.status, list(row.attempts.order_by("number").values_list(*attempts))) for row in rows]


@sync_to_async
def timeline_of(call: Call) -> list[tuple[str, Mapping[str, Any]]]:
    return list(call.events.order_by("id").values_list("event_type", "metadata"))


@pytest.mark.parametrize(
    ("answer", "result", "error"),
    [
        (Answer(200, b'{"result": {"free": true}}'), {"result": {"free": True}}, None),
        (Answer(201, b'{"result": null}'), {"result": None}, None),
        (Answer(204, b"", {"Content-Type": "application/json"}), {"result": ""}, None),
        (Answer(200, b""), {"result": ""}, None),
        (Answer(202, b" \r\n\t"), {"result": ""}, None),
        (Answer(205, b""), {"result": ""}, None),
        (Answer(200, b"\xef\xbb\xbf"), {"result": ""}, None),
        (Answer(200, b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}), {"result": ""}, None),
        (Answer(200, b'{"free": true, "slots": []}'), {"result": {"free": True, "slots": []}}, None),
        (Answer(200, b'["10:00"]'), {"result": ["10:00"]}, None),
        (Answer(200, b'"soon"', {"Content-Type": "text/html"}), {"result": "soon"}, None),
        (Answer(200, b'{"error": "No table is free."}'), {"error": "No table is free."}, None),
        (Answer(200, "Grüße aus Zürich\n".encode()), {"result": "Grüße aus Zürich"}, None),
        (Answer(200, b"<html><p>It is <b>open</b>.</p></html>"), {"result": "It is open."}, None),
        (Answer(200, b'{"result": '), {"result": '{"result":'}, None),
        (
            Answer(200, b"x" * 16_001),
            {"error": TOO_LONG},
            "The response is longer than 16000 characters, the most that a model can receive.",
        ),
        (Answer(404, b'{"result": 1}'), {"error": FAILED}, None),
        (Answer(500, b"Traceback"), {"error": FAILED}, None),
        (
            Answer(302, b"", {"Location": "/"}),
            {"error": FAILED},
            "The server responded with a redirect. Redirects are not followed.",
        ),
        (Answer(None), {"error": NO_ANSWER}, "Server disconnected without sending a response."),
    ],
    ids=map(str, range(20)),
)
async def test_responses_of_a_server(call: Call, answer: Answer, result: Mapping[str, Any], error: str | None) -> None:
    if "Transfer-Encoding" in answer.headers:
        answer.headers = {**answer.headers, "Content-Length": ""}
    with RecordingServer([answer]) as server:
        found = await (await webhook(call, server.url))("check", {})
        await WRITER.drained()
        assert found == result
        (entry,) = await log_of(call)
        is_success = answer.status is not None and 200 <= answer.status < 300 and error is None
        assert entry == ("delivered" if is_success else "failed", [(answer.status, is_success, error)])
        assert len(server.requests) == 1


@pytest.mark.parametrize("text", [FAILED, NO_ANSWER, TOO_LONG])
def test_errors_are_worded_for_callers(text: str) -> None:
    words = text.lower()
    assert not any(word in words for word in ("http", "json", "status", "server", "webhook", "url", "timeout", "tool"))


async def test_a_request_is_logged_before_it_is_sent_and_never_aborted(call: Call) -> None:
    with SlowServer() as server:
        waiting = asyncio.create_task((await webhook(call, server.url))("book", {"guests": 2}))
        while not server.requests:
            await asyncio.sleep(0.01)
        assert await log_of(call) == [("pending", [])]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await log_of(call) == [("pending", [])]
        server.may_answer.set()
        await asyncio.wait_for(tool_requests.finished(), 30)  # as a process does before it ends
        assert await log_of(call) == [("delivered", [(200, True, None)])]
        assert len(server.requests) == 1


async def test_a_request_whose_process_died_is_marked_as_failed(call: Call) -> None:
    with SlowServer() as server:
        waiting = asyncio.create_task((await webhook(call, server.url))("book", {"guests": 2}))
        while not server.requests:
            await asyncio.sleep(0.01)
        now = timezone.now()
        await sync_to_async(sweeper.sweep_once)(now + timedelta(seconds=30))
        assert await log_of(call) == [("pending", [])]
        for _ in range(2):
            await sync_to_async(sweeper.sweep_once)(now + timedelta(seconds=61))
        lost = ("failed", [(None, False, tool_requests.LOST)])
        assert await log_of(call) == [lost]
        abandoned = [entry for entry in await timeline_of(call) if entry[0] == "tool.abandoned"]
        assert abandoned == [("tool.abandoned", {"tool": "book", "reason": "process_ended"})]
        # The process was only slow: the log entry does not change.
        server.may_answer.set()
        assert await waiting == {"result": "booked"}
        await WRITER.drained()
        assert await log_of(call) == [lost]
        assert await sync_to_async(WebhookAttempt.objects.count)() == 1
        assert len(server.requests) == 1
