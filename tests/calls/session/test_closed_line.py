"""A line that closes while something is awaited: nothing happens on it any more, and its end is the last event of the session."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.providers.base import ProviderError
from agents.providers.model_events import AudioDelta, Reconnected, SpeechStarted, ToolCall, TurnDone
from calls.session.who_answered import Answering
from phone_numbers.carriers.media_codec import StreamStopped
from tests.calls.scripted import ScriptedCaller, ScriptedSession, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.calls.session.test_session_endings import Desk
from tests.virtual_time import settled, until

CLOSED = "stream.disconnected"
VOICE = audio(20)

pytestmark = pytest.mark.virtual_time


class Closing:
    """Ends a conversation, and lets `act` happen between the end of its line and the end of its session."""

    def __init__(self) -> None:
        self.act: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self, cause: str) -> None:
        assert self.act is not None
        await self.act()
        await settled()  # whatever follows from it

    async def end(self, talk: Conversation, act: Callable[[], Awaitable[Any]]) -> list[str]:
        """Hang up; what the timeline says then."""
        self.act = act
        talk.caller.incoming.put_nowait(StreamStopped())
        assert await talk.task == ""
        return talk.notes.names()


def hold_back(caller: ScriptedCaller, method: str) -> tuple[asyncio.Event, Callable[[], Awaitable[None]]]:
    """Let `method` of the line wait. Returns the event that tells when it does, and what lets it go on."""
    waits, goes_on, original = asyncio.Event(), asyncio.Event(), getattr(caller, method)

    async def slow(*arguments: Any) -> None:
        waits.set()
        await goes_on.wait()
        await original(*arguments)

    async def go_on() -> None:
        goes_on.set()

    setattr(caller, method, slow)
    return waits, go_on


async def test_an_interruption_is_none_when_the_line_closes_before_it_is_cleared() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(2000)))
        await until(lambda: talk.caller.sent)
        waits, go_on = hold_back(talk.caller, "clear")
        model.queue.put_nowait(SpeechStarted())
        await waits.wait()
        names = await closing.end(talk, go_on)
        assert names == ["model.connected", "stream.connected", CLOSED]
        assert talk.caller.clears == 1
        ((item_id, _),) = model.truncated  # what of the answer was heard still counts, for the transcript, too
        assert (item_id, [told[0] for told in talk.notes.interruptions]) == ("a", ["a"])


async def test_a_model_that_is_connected_too_late_is_let_go() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        talk.model.gate = gate = asyncio.Event()

        async def connected() -> None:
            gate.set()

        assert await closing.end(talk, connected) == [CLOSED]
        assert [session.replies for session in talk.model.sessions] == []


async def test_nobody_is_greeted_whose_line_closed_before_it_was_known_who_answered() -> None:
    closing, answering = Closing(), Answering(detects=True)
    async with conversation(on_end=closing, answering=answering) as talk:
        await until(lambda: "model.connected" in talk.notes.names())

        async def person() -> None:
            answering.person()

        assert await closing.end(talk, person) == ["model.connected", CLOSED]
        assert [(session.replies, session.is_closed) for session in talk.model.sessions] == [([], True)]


async def test_a_model_is_not_at_fault_that_breaks_off_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_model_whose_first_sound_was_on_its_way_was_not_heard() -> None:
    closing = Closing()
    async with conversation(on_end=closing) as talk:
        model = await talk.model_session()
        waits, go_on = hold_back(talk.caller, "send_audio")
        model.queue.put_nowait(AudioDelta("a", audio(400)))
        await waits.wait()
        await closing.end(talk, go_on)
        assert talk.notes.spoke_count == 0


async def test_a_message_whose_end_was_not_played_was_not_left() -> None:
    closing, answering = Closing(), Answering(detects=True)
    async with conversation(on_end=closing, answering=answering) as talk:
        await until(lambda: talk.model.sessions)
        await talk.session.voicemail.begin()
        answering.greeting_ended()
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("m", audio(600)))
        model.queue.put_nowait(TurnDone())
        await until(lambda: talk.caller.sent)
        names = await closing.end(talk, lambda: asyncio.sleep(0.8))  # by now it would have been played
        assert names == ["model.connected", "stream.connected", "voicemail.recording", CLOSED]


async def test_nobody_is_called_for_a_caller_who_is_gone() -> None:
    closing, desk = Closing(), Desk()
    async with conversation(on_end=closing, request_transfer=desk) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(300)))
        model.queue.put_nowait(ToolCall("c1", "transfer_call", {}))
        await until(lambda: talk.notes.tools)
        names = await closing.end(talk, lambda: asyncio.sleep(0.6))  # by now the goodbye would have been heard
        assert desk.requests == []
        assert names == ["model.connected", "stream.connected", CLOSED, "tool.abandoned"]


@pytest.mark.parametrize("order", ["context", "speak", "late_result"])
async def test_what_comes_from_outside_is_not_taken_after_the_end(order: str) -> None:
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


async def test_a_tool_that_returns_after_the_end_is_told_of() -> None:
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
