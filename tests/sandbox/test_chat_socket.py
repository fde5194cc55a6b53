"""A text test of an agent over its socket: the vendor's text, the developer's tool, and the transcript."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connections

from agents.models import Agent
from agents.providers.registry import get_model
from agents.services import create_agent, create_model_key
from calls.control.session_messages import End, session_group, tell_session
from calls.live.event_writer import WRITER
from calls.models import Call
from sandbox import agent_tests
from sandbox.services import SandboxCall
from sandbox.sockets.sandbox_socket import sandbox_socket
from tests.factories import make_developer
from tests.fakes.openai_realtime import FakeOpenAI, Reply, Script
from tests.fakes.recording_server import Answer, RecordingServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]

TOOL = {"name": "check_availability", "description": "Is a day free?", "parameters": {"date": "string"}}
REPLIES = [
    Reply(text="Hello, this is Mia."),
    Reply(text="One moment.", tool_calls=(("check_availability", {"date": "2026-12-24"}),)),
    Reply(text="The day is free."),
    Reply(text="Goodbye.", tool_calls=(("end_call", {"reason": "done"}),)),
]


class Browser:
    """The browser's end of the socket."""

    def __init__(self, started: SandboxCall) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.seen: list[dict[str, Any]] = []
        path, _, query = started.ws_url.partition("?")
        scope = {
            "query_string": query.encode(),
            "url_route": {"kwargs": {"call_id": path.rpartition("/")[2]}},
        }
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(sandbox_socket(scope, self.incoming.get, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        if "text" in message:
            self.frames.put_nowait(json.loads(message["text"]))

    def write(self, frame: object) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def until(self, kind: str, **values: Any) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while True:
                frame = await self.frames.get()
                self.seen.append(frame)
                if frame["type"] == kind and values.items() <= frame.items():
                    return frame


@pytest.fixture
async def vendor(settings: Any) -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(Script(REPLIES)) as fake:
        entry = settings.MODEL_PROVIDERS["openai"]
        options = {**entry["OPTIONS"], "base_url": fake.base_url}
        settings.MODEL_PROVIDERS = {**settings.MODEL_PROVIDERS, "openai": {**entry, "OPTIONS": options}}
        get_model.cache_clear()
        yield fake
    get_model.cache_clear()
    await WRITER.drained()
    await asyncio.wrap_future(WRITER.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


@sync_to_async
def start(url: str) -> SandboxCall:
    developer = make_developer()
    key = create_model_key(developer=developer, provider="openai", api_key="sk-proj-0123456789")
    chosen = {
        "name": "Mia", "model_slug": "gpt-realtime-mini", "model_key_id": key.pk, "system_prompt": "You are {{name|Mia}}.",
        "tools": [TOOL], "tool_webhook_url": url,
    }  # fmt: skip
    agent: Agent = create_agent(developer=developer, changes=chosen)
    return agent_tests.start_test(agent=agent, values={}, caller="+14155550123", is_text=True)


async def test_a_text_conversation_from_greeting_to_goodbye(vendor: FakeOpenAI) -> None:
    with RecordingServer([Answer(200, b'{"result": "free"}')]) as server:
        started = await start(server.url)
        browser = Browser(started)
        await browser.until("ready")
        await browser.until("transcript", role="model", text="Hello, this is Mia.")
        browser.write({"type": "text", "text": " "})
        assert (await browser.until("error"))["message"] == "A message must have 1 to 2000 characters."
        browser.write({"type": "text", "text": "Is Christmas Eve free?"})
        called = await browser.until("tool_call")
        assert (called["tool"], called["arguments"]) == ("check_availability", {"date": "2026-12-24"})
        assert (await browser.until("tool_result"))["ok"] is True
        await browser.until("transcript", text="The day is free.")
        pieces = "".join(frame["text"] for frame in browser.seen if frame["type"] == "text")
        assert pieces == "Hello, this is Mia.One moment.The day is free."
        browser.write({"type": "text", "text": "Thank you, goodbye."})
        assert (await browser.until("ended"))["reason"] == "completed"
        await asyncio.wait_for(browser.task, 30)
        (request,) = server.requests
        assert json.loads(request.body)["arguments"] == {"date": "2026-12-24"}
        assert "x-signature" in {name.lower() for name in request.headers}
    (settings,) = vendor.messages("session.update")
    assert settings["session"]["output_modalities"] == ["text"]
    assert settings["session"]["instructions"] == "You are Mia."
    assert vendor.rejected == []
    assert await sync_to_async(stored_call)(started.call.pk) == (
        "completed", 0,
        [
            ("model", "Hello, this is Mia."), ("user", "Is Christmas Eve free?"), ("model", "One moment."),
            ("model", "The day is free."), ("user", "Thank you, goodbye."), ("model", "Goodbye."),
        ],
        3,
    )  # fmt: skip


def stored_call(call_id: int) -> tuple[str, int, list[tuple[str, str]], int]:
    call = Call.objects.get(pk=call_id)
    return call.status, call.total_cost, list(call.transcript.values_list("role", "text")), call.turns.count()


async def test_leaving_ends_the_test(vendor: FakeOpenAI) -> None:
    started = await start("http://127.0.0.1:9/tools")
    browser = Browser(started)
    await browser.until("transcript", role="model")
    browser.incoming.put_nowait({"type": "websocket.disconnect"})
    await asyncio.wait_for(browser.task, 30)
    assert (await sync_to_async(stored_call)(started.call.pk))[:2] == ("completed", 0)


async def test_a_test_can_be_ended_after_an_unreadable_message(vendor: FakeOpenAI) -> None:
    started = await start("http://127.0.0.1:9/tools")
    browser = Browser(started)
    await browser.until("transcript", role="model")
    call_id = started.call.pk
    await get_channel_layer().group_send(session_group(call_id), {"type": "Speak"})
    deadline = time.monotonic() + 30
    while not browser.task.done() and time.monotonic() < deadline:
        await sync_to_async(tell_session)(call_id, End("account_deactivated"))
        await asyncio.wait([browser.task], timeout=0.2)
    assert (await browser.until("ended"))["reason"] == "account_deactivated"
