"""Answers that are cut off: the transcript contains the part that was heard, whatever cut them off and whenever their
text arrives.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from agents.providers.model_events import AudioDelta, OutputTranscript, SpeechStarted, ToolCall, TurnDone
from calls.session.transport import LineBroken
from calls.session.who_answered import Answering
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.scripted import ScriptedSession, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time
WORDS = "one two three four five"
SILENCE = base64.b64encode(b"\xff" * (8 * 400)).decode()  # 400 ms
ANSWER = OutputTranscript("a", WORDS)


async def caller_hangs_up(talk: Conversation) -> None:
    talk.caller.incoming.put_nowait(StreamStopped())


async def line_breaks_for_good(talk: Conversation) -> None:
    talk.caller.incoming.put_nowait(LineBroken())
    await asyncio.sleep(0.3)
    talk.caller.incoming.put_nowait(StreamStopped())


async def we_hang_up(talk: Conversation) -> None:
    talk.session.end("normal_clearing")


async def another_process_takes_over(talk: Conversation) -> None:
    talk.session.end("left")


async def transfer_begins(talk: Conversation) -> None:
    await talk.session.transfer_begun()
    await asyncio.sleep(5)
    talk.session.end("transferred")


async def answering_machine_is_detected(talk: Conversation) -> None:
    await talk.session.voicemail.begin()
    talk.session.end("normal_clearing")


async def caller_speaks_and_hangs_up(talk: Conversation) -> None:
    talk.model.sessions[0].queue.put_nowait(SpeechStarted())
    await settled()
    await caller_hangs_up(talk)


ENDS = [
    caller_hangs_up,
    line_breaks_for_good,
    we_hang_up,
    another_process_takes_over,
    transfer_begins,
    answering_machine_is_detected,
    caller_speaks_and_hangs_up,
]
End = Callable[[Conversation], Awaitable[None]]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("is_known", [True, False], ids=["text before", "text after"])
async def test_the_heard_part_is_kept(end: End, is_known: bool) -> None:
    async with conversation(answering=Answering()) as talk:
        model = await talk.model_session()
        for _ in range(10):
            model.queue.put_nowait(AudioDelta("a", audio(100)))
        if is_known:
            model.queue.put_nowait(ANSWER)
            model.queue.put_nowait(TurnDone())
        else:
            model.left = [ANSWER]
        await asyncio.sleep(0.62)
        await end(talk)
        await talk.task
        if is_known:
            assert talk.notes.transcripts == [("model", WORDS, False)]
            # A broken line loses the whole chunk that it was playing.
            heard_ms = 600 if end is line_breaks_for_good else 620
            assert talk.notes.interruptions == [("a", heard_ms, heard_ms / 1000)]
        else:
            assert talk.notes.transcripts == [("model", "one two three", True)]


@pytest.mark.parametrize(
    ("heard_s", "texts"),
    [(0.25, [("model", "one two", True)]), (1.3, [("model", WORDS, False), ("model", "six", True)])],
)
async def test_queued_answers_were_not_heard(heard_s: float, texts: list[object]) -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(1000)))
        model.queue.put_nowait(AudioDelta("b", audio(500)))
        model.left = [ANSWER, OutputTranscript("b", "six seven"), OutputTranscript("c", "eight")]
        await asyncio.sleep(heard_s)
        model.queue.put_nowait(SpeechStarted())
        await until(lambda: model.truncated)
        await caller_hangs_up(talk)
        await talk.task
        assert talk.notes.transcripts == texts


async def test_audio_after_an_answer_was_cut_off_was_not_heard() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(500)))
        await asyncio.sleep(0.5)
        await talk.session.transfer_begun()
        model.queue.put_nowait(AudioDelta("a", audio(750)))
        model.queue.put_nowait(ANSWER)
        model.queue.put_nowait(AudioDelta("b", audio(300)))
        model.queue.put_nowait(OutputTranscript("b", "Nobody heard this."))
        await settled()
        assert (len(talk.caller.sent), talk.notes.transcripts) == (1, [("model", "one two", True)])


async def test_an_answer_heard_to_its_last_sound_is_complete() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(500)))
        model.queue.put_nowait(AudioDelta("a", SILENCE))
        model.left = [ANSWER]
        await asyncio.sleep(0.6)
        assert talk.caller.sent[1] == SILENCE
        await caller_hangs_up(talk)
        await talk.task
        assert talk.notes.transcripts == [("model", WORDS, False)]


async def test_interrupting_the_fallback_voice_truncates_no_model_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedSession, "speaks_during_tools", False)

    async def fallback_tts(text: str) -> AsyncIterator[str]:
        yield audio(800)

    async with conversation(fallback_tts=fallback_tts) as talk:
        model = await talk.model_session()
        talk.tool_waits = {"slow": asyncio.Event()}
        model.queue.put_nowait(ToolCall("1", "slow", {}))
        await until(lambda: talk.caller.sent)
        model.queue.put_nowait(SpeechStarted())
        await until(lambda: talk.caller.clears)
        await settled()
        assert model.truncated == []
