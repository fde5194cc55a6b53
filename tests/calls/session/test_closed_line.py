"""The line closes while something is awaited: nothing more happens in the session, and its end is the last event."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.providers.base import ProviderError
from agents.providers.model_events import AudioDelta, Reconnected, SpeechStarted, ToolCall, TurnDone
from calls.session.who_answered import Answering
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.scripted import ScriptedCaller, ScriptedSession, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.calls.session.test_session_endings import Desk
from tests.virtual_time import settled, until

CLOSED = "stream.disconnected"
VOICE = audio(20)

pytestmark = pytest.mark.virtual_time


class Closing:
    """Ends a conversation, and runs `act` between the end of the line and the end of the session."""

    def __init__(self) -> None:
        self.act: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self, cause: str) -> None:
        assert self.act is not None
        await self.act()
        await settled()  # and its consequences

    async def end(self, talk: Conversation, act: Callable[[], Awaitable[Any]]) -> list[str]:
        """Hang up. Returns the names of the session's events."""
        self.act = act
        talk.caller.incoming.put_nowait(StreamStopped())
        assert await talk.task == ""
        return talk.notes.names()


def hold_back(caller: ScriptedCaller, method: str) -> tuple[asyncio.Event, Callable[[], Awaitable[None]]]:
    """Make a method of the line wait. Returns an event that is set when it waits, and a function that lets it continue."""
    waits, may_continue, original = asyncio.Event(), asyncio.Event(), getattr(caller, method)

    async def slow(*arguments: Any) -> None:
        waits.set()
        await may_continue.wait()
        await original(*arguments)

    async def let_continue() -> None:
        may_continue.set()

    setattr(caller, method, slow)
    return waits, let_continue


async def test_an_interruption_is_not_recorded_if_the_line_closes_before_it_is_cleared() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(2000)))
        await until(lambda: talk.caller.sent)
        waits, let_continue = hold_back(talk.caller, "clear")
        model.queue.put_nowait(SpeechStarted())
        await waits.wait()
        names = await closing.end(talk, let_continue)
        assert names == ["model.connected", "stream.connected", CLOSED]
        assert talk.caller.clears == 1
        ((item_id, _),) = model.truncated  # the heard part of the answer still counts, in the transcript too
        assert (item_id, [interruption[0] for interruption in talk.notes.interruptions]) == ("a", ["a"])


async def test_a_model_that_connects_too_late_is_not_used() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        talk.model.gate = gate = asyncio.Event()

        async def connected() -> None:
            gate.set()

        assert await closing.end(talk, connected) == [CLOSED]
        assert [session.replies for session in talk.model.sessions] == []


async def test_nobody_is_greeted_if_the_line_closes_before_the_verdict() -> None:
    closing, answering = Closing(), Answering(detects=True)
    async with conversation(on_end=closing, answering=answering) as talk:
        await until(lambda: "model.connected" in talk.notes.names())

        async def person() -> None:
            answering.person()

        assert await closing.end(talk, person) == ["model.connected", CLOSED]
        assert [(session.replies, session.is_closed) for session in talk.model.sessions] == [([], True)]


async def test_a_model_that_fails_after_the_end_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedSession, "owes_words", True)
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        for _ in range(20):
            talk.caller.incoming.put_nowait(VOICE)
        await until(lambda: len(model.heard) == 20)

        async def refused() -> None:
            model.queue.put_nowait(Reconnected("go_away", mid_answer=True))
            model.queue.put_nowait(ProviderError("no more", retryable=False))

        assert await closing.end(talk, refused) == ["model.connected", "stream.connected", CLOSED]
        assert len(talk.model.sessions) == 1


async def test_a_model_whose_first_audio_was_not_sent_was_not_heard() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        waits, let_continue = hold_back(talk.caller, "send_audio")
        model.queue.put_nowait(AudioDelta("a", audio(400)))
        await waits.wait()
        await closing.end(talk, let_continue)
        assert talk.notes.spoke_count == 0


async def test_a_voicemail_message_not_played_to_its_end_was_not_left() -> None:
    closing, answering = Closing(), Answering(detects=True)
    async with conversation(on_end=closing, answering=answering) as talk:
        await until(lambda: talk.model.sessions)
        await talk.session.voicemail.begin()
        answering.greeting_ended()
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("m", audio(600)))
        model.queue.put_nowait(TurnDone())
        await until(lambda: talk.caller.sent)
        names = await closing.end(talk, lambda: asyncio.sleep(0.8))  # by then it would have been played
        assert names == ["model.connected", "stream.connected", "voicemail.recording", CLOSED]


async def test_nobody_is_called_after_the_caller_has_hung_up() -> None:
    closing, desk = Closing(), Desk()
    async with conversation(on_end=closing, request_transfer=desk) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(300)))
        model.queue.put_nowait(ToolCall("c1", "transfer_call", {}))
        await until(lambda: talk.notes.tools)
        names = await closing.end(talk, lambda: asyncio.sleep(0.6))  # by then the goodbye would have been heard
        assert desk.requests == []
        assert names == ["model.connected", "stream.connected", CLOSED, "tool.abandoned"]


@pytest.mark.parametrize("order", ["context", "speak", "late_result"])
async def test_requests_after_the_end_are_refused(order: str) -> None:
    closing = Closing()
    taken = list[bool]()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        orders: dict[str, Callable[[], Awaitable[bool]]] = {
            "context": lambda: talk.session.inject_context("He is a doctor."),
            "speak": lambda: talk.session.speak("One moment."),
            "late_result": lambda: talk.session.late_result("look", {"result": "seen"}),
        }

        async def ask() -> None:
            taken.append(await orders[order]())

        assert await closing.end(talk, ask) == ["model.connected", "stream.connected", CLOSED]
        assert taken == [False]
        assert (model.contexts, model.replies, model.results) == ([], ["Greet the caller."], [])


async def test_a_tool_that_returns_after_the_end_is_recorded_as_abandoned() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        talk.tool_waits["slow"] = asyncio.Event()
        model.queue.put_nowait(ToolCall("c1", "slow", {}))
        await until(lambda: talk.tools_run == ["slow"])

        async def returned() -> None:
            talk.tool_waits["slow"].set()

        names = await closing.end(talk, returned)
        assert names == ["model.connected", "stream.connected", CLOSED, "tool.abandoned"]
        assert model.results == []
