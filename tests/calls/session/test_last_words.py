"""What the caller said just before the end is in the transcript, and the end is reported immediately."""

import asyncio
from typing import Any

import pytest

from agents.providers.base import RealtimeSession
from agents.providers.model_events import AudioDelta, InputTranscript, OutputTranscript, ToolCall, TurnDone
from calls.session.last_words import WORDS_SECONDS
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.scripted import ScriptedSession, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import settled, until

VOICE = audio(20)

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def pending_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models whose transcripts are still pending."""
    monkeypatch.setattr(ScriptedSession, "owes_words", True)


async def spoken(talk: Conversation) -> Any:
    model = await talk.model_session()
    for _ in range(20):
        talk.caller.incoming.put_nowait(VOICE)
    await until(lambda: len(model.heard) == 20)
    return model


def ended_by(talk: Conversation, cause: str, model: Any) -> None:
    if cause:
        talk.session.end(cause)
    else:
        talk.caller.incoming.put_nowait(StreamStopped())


@pytest.mark.parametrize("cause", ["", "max_duration", "normal_clearing", "transferred", "insufficient_balance"])
async def test_late_words_are_kept_and_the_end_does_not_wait(pending_words: None, cause: str) -> None:
    ends = list[str]()

    async def on_end(reported: str) -> None:
        ends.append(reported)

    async with conversation(on_end=on_end) as talk:
        model = await spoken(talk)
        loop = asyncio.get_running_loop()
        ended_at = loop.time()
        ended_by(talk, cause, model)
        await settled()
        assert ends == [cause]
        await asyncio.sleep(WORDS_SECONDS - 0.1)
        # Answers and tool calls after the end do not count.
        model.queue.put_nowait(AudioDelta("late", audio(40)))
        model.queue.put_nowait(OutputTranscript("late", "Nobody hears this."))
        model.queue.put_nowait(ToolCall("1", "book", {}))
        model.queue.put_nowait(InputTranscript("And no onions."))
        await until(lambda: talk.notes.transcripts)
        assert not talk.task.done()
        assert await talk.task == cause
        assert loop.time() - ended_at == pytest.approx(WORDS_SECONDS)
        assert ("user", "And no onions.", False) in talk.notes.transcripts
        assert (talk.caller.sent, talk.notes.tools) == ([], [])


async def test_an_answer_that_was_playing_is_in_the_transcript(pending_words: None) -> None:
    async with conversation() as talk:
        model = await spoken(talk)
        model.queue.put_nowait(AudioDelta("a", audio(400)))
        await asyncio.sleep(0.3)
        talk.caller.incoming.put_nowait(StreamStopped())
        await asyncio.sleep(0.1)
        model.queue.put_nowait(OutputTranscript("a", "We are open."))
        model.queue.put_nowait(TurnDone())
        await talk.task
        assert talk.notes.transcripts == [("model", "We are", True)]


async def test_without_pending_words_the_session_ends_immediately() -> None:
    async with conversation() as talk:
        await spoken(talk)
        talk.caller.incoming.put_nowait(StreamStopped())
        await settled()
        assert (talk.task.done(), await talk.task) == (True, "")


async def test_a_session_that_leaves_does_not_wait_for_words(pending_words: None) -> None:
    async with conversation() as talk:
        await spoken(talk)
        talk.session.end("left")
        await settled()
        assert (talk.task.done(), await talk.task) == (True, "left")


async def test_a_model_that_fails_after_the_end_is_not_reconnected(pending_words: None) -> None:
    async with conversation() as talk:
        model = await spoken(talk)
        model.left = [InputTranscript("Bye.")]
        talk.caller.incoming.put_nowait(StreamStopped())
        await asyncio.sleep(0.1)
        model.queue.put_nowait(None)
        await talk.task
        assert len(talk.model.sessions) == 1
        assert isinstance(model, RealtimeSession)
