"""The page of a running call, connected to its session over its WebSocket and the channel layer, as across processes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections
from django.utils import timezone

from accounts.models import Developer
from accounts.services import close_all_sessions
from agents.cues import Cue, whispered
from agents.providers.base import SessionConfig
from agents.providers.model_events import AudioDelta
from bubblyphone.asgi import application
from bubblyphone.core.audio import PCMU_8K, mulaw_to_pcm16
from calls.control import running_calls
from calls.live import live_socket
from calls.live.control_loop import keep_control_loop
from calls.live.event_writer import WRITER, EventWriter
from calls.live.live_socket import AGENT, CALLER
from calls.models import Call
from calls.session.call_session import CallSession
from calls.session.interfaces import Limits
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.calls.scripted import ScriptedCaller, ScriptedModel, audio
from tests.factories import make_developer
from tests.pages.signed_in import signed_in_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]
VOICE = b"\x00\x20" * 320  # 20 ms of a microphone


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


async def no_tools(name: str, arguments: Any, call_id: str) -> dict[str, Any]:
    return {"result": ""}


class Page:
    """A page in a browser."""

    def __init__(self, developer: Developer | None, identifier: str, **headers: str) -> None:
        cookies = signed_in_client(developer).cookies if developer else {}
        cookie = f"sessionid={cookies[settings.SESSION_COOKIE_NAME].value}" if developer else ""
        sent = {"host": "localhost:8000", "origin": "http://localhost:8000", "cookie": cookie, **headers}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        self.socket = WebsocketCommunicator(application, f"/live/ws/{identifier}", headers=pairs)
        self.heard = {CALLER: b"", AGENT: b""}
        self.rates: set[int] = set()
        self.frames: list[dict[str, Any]] = []

    async def take(self) -> dict[str, Any]:
        """Take the next message. Returns a text frame, or {} for audio, which is collected, or the close code."""
        message = await self.socket.receive_output(30)
        if message["type"] == "websocket.close":
            return {"type": "closed", "code": message["code"]}
        if piece := message.get("bytes"):
            self.heard[piece[0]] += piece[2:]
            self.rates.add(piece[1])
            return {}
        self.frames.append(json.loads(message["text"]))
        return self.frames[-1]

    async def until(self, kind: str) -> dict[str, Any]:
        while (frame := await self.take()).get("type") != kind:
            pass
        return frame

    async def write(self, **frame: Any) -> None:
        await self.socket.send_to(json.dumps(frame))


@sync_to_async
def open_page(developer: Developer | None, identifier: object, **headers: str) -> Page:
    return Page(developer, str(identifier), **headers)


class Live:
    """A call with its session."""

    def __init__(self, call: Call) -> None:
        self.call, self.caller, self.model = call, ScriptedCaller(), ScriptedModel()
        self.session = CallSession(
            transport=self.caller,
            model=self.model,
            config=SessionConfig(upstream_model="m", instructions="Be brief.", caller_format=PCMU_8K),
            greeting="Greet the caller.",
            limits=Limits(600, 600),
            run_tool=no_tools,
            observer=EventWriter(call.pk),
        )

    async def run_session(self) -> None:
        """Run the session and its control loop, as `calls.live.session_runner` does."""
        control = asyncio.create_task(keep_control_loop(self.call.pk, self.session, detects_voicemail=False))
        try:
            await self.session.run()
        finally:
            control.cancel()

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        await WRITER.drained()
        found = self.call.events.order_by("pk").values_list("event_type", "metadata")
        listed = await sync_to_async(list)(found)
        return [each for each in listed if each[0].partition(".")[0] in {"listener", "takeover", "whisper"}]


@asynccontextmanager
async def live_call(**fields: Any) -> AsyncIterator[Live]:
    call = await sync_to_async(lambda: make_call(make_streaming_number(make_account()), timezone.now(), **fields))()
    call.developer = await Developer.objects.aget(pk=call.developer_id)
    live = Live(call)
    running = asyncio.create_task(live.run_session())
    try:
        await until(lambda: live.model.sessions and live.model.sessions[0].replies)
        yield live
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await WRITER.drained()
        await sync_to_async(connections.close_all)()


async def test_a_page_listens_whispers_and_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.speech.is_installed", lambda: False)
    async with live_call() as live:
        model, owner = live.model.sessions[0], live.call.developer
        page = await open_page(owner, live.call.pk)
        assert await page.socket.connect(30) == (True, None)
        await page.until("listening")
        await until(lambda: live.session.monitor.tap is not None)
        live.caller.incoming.put_nowait(audio(20))
        model.queue.put_nowait(AudioDelta("a", audio(1000)))
        while not (page.heard[CALLER] and page.heard[AGENT]):
            await page.take()
        assert page.heard[CALLER] == mulaw_to_pcm16(b"\x10" * 160)
        assert (page.rates, model.heard, model.contexts) == ({8}, [audio(20)], [])

        whisper = sync_to_async(running_calls.whisper)
        await whisper(call=live.call, text="Offer a discount.", by=owner.email)
        assert model.contexts == [whispered("Offer a discount.")]

        await page.write(type="take_over")
        assert await page.until("taken_over") == {"type": "taken_over", "by": owner.email, "own": True}
        assert live.caller.clears == 1
        other = await open_page(owner, live.call.pk)
        await other.socket.connect(30)
        await other.until("listening")
        await other.write(type="take_over")
        refused = await other.until("refused")
        assert refused["message"] == f"{owner.email} has taken over this call."

        sent = len(live.caller.sent)
        for _ in range(3):
            await page.socket.send_to(bytes_data=VOICE)
        await other.socket.send_to(bytes_data=VOICE)  # a page that has not taken over is not heard
        await page.socket.send_to(bytes_data=bytes(100_000))  # nor is more audio than a microphone sends
        await until(lambda: len(live.caller.sent) == sent + 3)
        other.heard[AGENT] = b""
        while not other.heard[AGENT]:  # the other page hears the person; the person's own page does not
            await other.take()
        await page.write(type="give_back")
        given_back = await page.until("given_back")
        assert given_back == {"type": "given_back", "by": owner.email, "reason": "returned", "own": True}
        await until(lambda: model.replies[-1] == Cue.CALL_GIVEN_BACK)
        assert len(live.caller.sent) == sent + 3
        for each in (page, other):
            await each.socket.disconnect()
        await until(lambda: live.session.monitor.tap is None)
        by = {"by": owner.email}
        assert [(name, {**details, "seconds": 0} if "seconds" in details else details) for name, details in await live.events()] == [
            ("listener.joined", by),
            ("whisper.sent", {**by, "text": "Offer a discount."}),
            ("takeover.started", by),
            ("listener.joined", by),
            ("takeover.ended", {**by, "reason": "returned", "seconds": 0}),
            ("listener.left", {**by, "seconds": 0}),
            ("listener.left", {**by, "seconds": 0}),
        ]  # fmt: skip


async def test_the_agent_gets_the_call_back_when_the_page_disconnects_or_is_signed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.speech.is_installed", lambda: False)
    monkeypatch.setattr(live_socket, "RENEW_SECONDS", 0.1)
    async with live_call() as live:
        owner = live.call.developer
        for leaves in (True, False):
            page = await open_page(owner, live.call.pk)
            await page.socket.connect(30)
            await page.until("listening")
            await page.write(type="take_over")
            await page.until("taken_over")
            if leaves:
                await page.socket.disconnect()
            else:
                await sync_to_async(close_all_sessions)(developer=owner)
                assert (await page.until("closed"))["code"] == live_socket.CLOSE_SIGNED_OUT
            await until(lambda: not live.session.take_over.is_on)
        ends = [details["reason"] for name, details in await live.events() if name == "takeover.ended"]
        assert ends == ["connection_lost", "signed_out"]


async def test_a_page_that_falls_behind_is_disconnected_and_the_call_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MOST_BEHIND", 3)
    async with live_call() as live:
        page = await open_page(live.call.developer, live.call.pk)
        await page.socket.connect(30)
        await page.until("listening")
        live.model.sessions[0].queue.put_nowait(AudioDelta("a", audio(2000)))
        for count in (1, 2, 3):
            while await page.take():
                pass
            await page.write(type="heard", count=count)
        assert (await page.until("closed"))["code"] == live_socket.CLOSE_TOO_SLOW
        assert live.session.take_over.person is None
        live.caller.incoming.put_nowait(audio(20))
        await until(lambda: live.model.sessions[0].heard)


async def test_the_page_learns_that_the_call_has_ended() -> None:
    async with live_call() as live:
        page = await open_page(live.call.developer, live.call.pk)
        await page.socket.connect(30)
        await page.until("listening")
        await Call.objects.filter(pk=live.call.pk).aupdate(status="completed", ended_at=timezone.now())
        live.session.end("normal_clearing")
        await page.until("ended")
        by = {"by": live.call.developer.email}
        assert await live.events() == [("listener.joined", by), ("listener.left", {**by, "seconds": 0})]


async def test_invalid_frames_and_too_many_pages_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MOST_PAGES", 1)
    async with live_call() as live:
        page = await open_page(live.call.developer, live.call.pk)
        await page.socket.connect(30)
        await page.until("listening")
        for text in ("{", "[]", "1", '{"type": "heard", "count": "x"}', '{"type": []}', "x" * 5000):
            await page.socket.send_to(text)
            await page.until("error")
        await page.socket.send_to(bytes_data=b"x")
        await page.write(type="heard", count=-(10**30))
        other = await open_page(live.call.developer, live.call.pk)
        await other.socket.connect(30)
        assert (await other.until("refused"))["message"] == "1 pages are already listening to calls."
        assert (await other.until("closed"))["code"] == 1000
        await page.write(type="take_over")
        await page.until("taken_over")
        await page.socket.send_to(bytes_data=b"x")
        sent = len(live.caller.sent)
        await page.socket.send_to(bytes_data=VOICE + b"x")
        await until(lambda: len(live.caller.sent) == sent + 1)
        await page.socket.disconnect()
        await until(lambda: not live_socket.open_pages)


async def test_a_missing_answer_does_not_end_a_takeover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.speech.is_installed", lambda: False)
    monkeypatch.setattr(live_socket, "RENEW_SECONDS", 0.05)
    requests: list[str] = []
    ask = live_socket.session_messages.ask

    def late(call_id: int, message: Any) -> Any:
        requests.append(type(message).__name__)
        is_late = requests.count("Listen") == 3 and requests[-1] == "Listen"
        return live_socket.SessionAnswer(is_done=False) if is_late else ask(call_id, message)

    monkeypatch.setattr(live_socket.session_messages, "ask", late)
    async with live_call() as live:
        page = await open_page(live.call.developer, live.call.pk)
        await page.socket.connect(30)
        await page.until("listening")
        await page.write(type="take_over")
        await page.until("taken_over")
        await until(lambda: requests.count("Listen") > 4)
        sent = len(live.caller.sent)
        await page.socket.send_to(bytes_data=VOICE)
        await until(lambda: len(live.caller.sent) == sent + 1)
        await page.write(type="give_back")
        await page.until("given_back")
        assert not [frame for frame in page.frames if frame["type"] == "waiting"]
        await page.socket.disconnect()


@pytest.mark.parametrize(
    ("who", "fields", "headers", "code"),
    [
        ("owner", {}, {"origin": "https://evil.example"}, 4403),
        ("nobody", {}, {}, 4403),
        ("inactive", {}, {}, 4403),
        ("stranger", {}, {}, 4404),
        ("owner", {"mode": "webhook"}, {}, 4404),
        ("owner", {"is_text": True}, {}, 4404),
        ("owner", {"transferred_at": timezone.now()}, {}, 4404),
        ("owner", {"status": "ringing", "answered_at": None}, {}, 4404),
        ("owner", {"status": "completed", "ended_at": timezone.now()}, {}, 4404),
    ],
)
async def test_people_who_cannot_listen_are_refused(who: str, fields: Any, headers: Any, code: int) -> None:
    @sync_to_async
    def rows() -> tuple[Call, Developer | None]:
        call = make_call(make_streaming_number(make_account()), timezone.now(), **fields)
        return call, {"owner": call.developer, "inactive": call.developer, "stranger": make_developer()}.get(who)

    call, developer = await rows()
    page = await open_page(developer, call.pk, **headers)
    if who == "inactive":
        await Developer.objects.filter(pk=call.developer_id).aupdate(is_active=False)
    assert await page.socket.connect(30) == (False, code)
    await sync_to_async(connections.close_all)()
