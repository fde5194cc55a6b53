"""The conversation itself. The test controls both ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agents.cues import Cue, say_exactly
from agents.providers.base import ProviderError, ToolSpec, Turn
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    ToolCall,
    ToolCallsCanceled,
    TurnDone,
)
from calls.session.agent_output import WAITING_WORDS
from calls.session.dtmf_collector import PAUSE_SECONDS
from calls.session.tool_executor import QUICK_SECONDS, SLOW_SECONDS
from calls.session.transport import LineBack, LineBroken
from phone_numbers.carriers.media_protocol import DtmfPressed, StreamStopped
from tests.calls.scripted import FRAME, ScriptedSession, audio
from tests.calls.session.conversations import conversation
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time


async def test_the_model_greets_and_both_sides_are_heard() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        talk.caller.incoming.put_nowait(FRAME)
        model.queue.put_nowait(AudioDelta("a", audio(100)))
        model.queue.put_nowait(OutputTranscript("a", "Hello."))
        model.queue.put_nowait(InputTranscript("Hi."))
        await until(lambda: len(talk.notes.transcripts) == 2 and model.heard)
        talk.caller.incoming.put_nowait(StreamStopped())
        assert await talk.task == ""
        assert model.replies == ["Greet the caller."]
        assert (model.heard, talk.caller.sent) == ([FRAME], [audio(100)])
        assert talk.notes.transcripts == [("model", "Hello.", False), ("user", "Hi.", False)]
        assert talk.notes.names() == ["model.connected", "stream.connected", "stream.disconnected"]
        assert talk.notes.spoke_count == 1
        assert model.is_closed


async def test_barge_in_clears_the_line_and_truncates_the_model_answer() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(2000)))
        model.queue.put_nowait(OutputTranscript("a", "A long story."))
        await until(lambda: talk.notes.transcripts)
        await asyncio.sleep(0.2)
        model.queue.put_nowait(SpeechStarted())
        await until(lambda: model.truncated)
        ((item, heard_ms),) = model.truncated
        assert (item, heard_ms) == ("a", 200)
        assert talk.caller.clears == 1
        assert talk.notes.interruptions == [("a", 200, 0.1)]
        # The rest of the interrupted answer is not sent. The next answer is.
        model.queue.put_nowait(AudioDelta("a", audio(20)))
        model.queue.put_nowait(AudioDelta("b", audio(40)))
        await until(lambda: len(talk.caller.sent) == 2)
        assert talk.caller.sent[1] == audio(40)


async def test_speech_while_nothing_is_played_clears_nothing() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(SpeechStarted())
        model.queue.put_nowait(InputTranscript("Hello?"))
        await until(lambda: talk.notes.transcripts)
        assert (talk.caller.clears, model.truncated) == (0, [])


async def test_tools_run_in_parallel_and_a_canceled_one_is_dropped() -> None:
    async with conversation() as talk:
        talk.tool_waits = {"slow": asyncio.Event(), "gone": asyncio.Event()}
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("1", "slow", {"x": 1}))
        model.queue.put_nowait(ToolCall("2", "gone", {}))
        model.queue.put_nowait(ToolCall("3", "quick", {}))
        model.queue.put_nowait(ToolCallsCanceled(("2",)))
        await until(lambda: model.results)
        assert model.results == [("3", "quick", {"result": {"tool": "quick"}})]
        for event in talk.tool_waits.values():
            event.set()
        await until(lambda: len(model.results) == 2)
        assert model.results[1] == ("1", "slow", {"result": {"tool": "slow", "x": 1}})
        await settled()
        assert len(model.results) == 2


@pytest.mark.parametrize("model_speaks", [True, False])
async def test_something_is_said_during_a_slow_tool(monkeypatch: pytest.MonkeyPatch, model_speaks: bool) -> None:
    monkeypatch.setattr(ScriptedSession, "speaks_during_tools", model_speaks)

    async def fallback_tts(text: str) -> AsyncIterator[str]:
        assert text == "One moment."
        yield audio(60)

    tools = (ToolSpec("look", "Look", {}, speak_while_waiting="One moment."),)
    async with conversation(tools=tools, fallback_tts=fallback_tts) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("1", "look", {}))  # quick: nothing is said
        await asyncio.sleep(QUICK_SECONDS)
        assert len(model.results) == 1
        assert (len(model.replies), talk.caller.sent) == (1, [])
        talk.tool_waits = {"look": asyncio.Event()}
        model.queue.put_nowait(ToolCall("2", "look", {}))
        await asyncio.sleep(QUICK_SECONDS - 0.01)
        assert (len(model.replies), talk.caller.sent) == (1, [])
        await asyncio.sleep(0.01)
        await settled()
        if model_speaks:
            assert model.replies[1:] == [say_exactly("One moment.")]
        else:
            assert talk.caller.sent == [audio(60)]
        talk.tool_waits["look"].set()
        await until(lambda: len(model.results) == 2)


@pytest.mark.parametrize("model_speaks", [True, False])
async def test_slow_tools_without_their_own_words_are_bridged_once(
    monkeypatch: pytest.MonkeyPatch, model_speaks: bool
) -> None:
    monkeypatch.setattr(ScriptedSession, "speaks_during_tools", model_speaks)

    async def fallback_tts(text: str) -> AsyncIterator[str]:
        assert text == WAITING_WORDS
        yield audio(60)

    async with conversation(fallback_tts=fallback_tts) as talk:
        model = await talk.model_session()
        talk.tool_waits = {"slow": asyncio.Event()}
        model.queue.put_nowait(ToolCall("1", "slow", {}))
        model.queue.put_nowait(ToolCall("2", "slow", {"x": 1}))
        await until(lambda: talk.tools_run == ["slow", "slow"])
        await asyncio.sleep(SLOW_SECONDS - 0.01)
        assert (len(model.replies), talk.caller.sent) == (1, [])
        await asyncio.sleep(SLOW_SECONDS)
        await settled()
        assert model.replies[1:] == ([Cue.TOOL_TAKES_LONG] if model_speaks else [])
        assert talk.caller.sent == ([] if model_speaks else [audio(60)])
        talk.tool_waits["slow"].set()
        await until(lambda: len(model.results) == 2)


async def test_unplayed_audio_is_sent_again_after_a_reconnect() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        for _ in range(10):
            model.queue.put_nowait(AudioDelta("a", audio(100)))
        await until(lambda: len(talk.caller.sent) == 10)
        await asyncio.sleep(0.25)
        talk.caller.incoming.put_nowait(LineBroken())
        await settled()
        model.queue.put_nowait(AudioDelta("a", audio(60)))
        model.queue.put_nowait(TurnDone())
        await settled()
        assert len(talk.caller.sent) == 10
        talk.caller.incoming.put_nowait(LineBack())
        await settled()
        assert talk.caller.sent[10:] == [audio(100)] * 8 + [audio(60)]  # the third chunk was playing: it starts over
        assert ("stream.reconnected", {"reason": "connection_lost"}) in talk.notes.events
        await asyncio.sleep(0.05)
        model.queue.put_nowait(SpeechStarted())
        await settled()
        assert model.truncated == [("a", 250)]


async def test_end_call_lets_the_goodbye_be_heard() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(700)))
        model.queue.put_nowait(ToolCall("1", "end_call", {}))
        model.queue.put_nowait(TurnDone())
        began = asyncio.get_running_loop().time()
        assert await talk.task == "normal_clearing"
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.7)


async def test_a_model_that_drops_is_reconnected_once_with_the_conversation_so_far() -> None:
    async with conversation() as talk:
        first = await talk.model_session()
        first.queue.put_nowait(AudioDelta("a", audio(20)))
        first.queue.put_nowait(TurnDone())
        first.queue.put_nowait(InputTranscript("My name is Ada."))
        first.queue.put_nowait(OutputTranscript("a", "Hello Ada."))
        await until(lambda: len(talk.notes.transcripts) == 2)
        assert await talk.session.inject_context("Credited $50.") is True
        first.queue.put_nowait(ProviderError("gone", retryable=True))
        second = await talk.model_session(1)
        history = (Turn("user", "My name is Ada."), Turn("model", "Hello Ada."))
        assert second.config.history == (*history, Turn("user", "Context update: Credited $50."))
        assert second.replies == []
        await until(lambda: "model.reconnected" in talk.notes.names())
        second.queue.put_nowait(ProviderError("gone again", retryable=True))
        assert await talk.task == "model_failed"
        assert len(talk.model.sessions) == 2


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_model_that_refuses_ends_the_call(retryable: bool) -> None:
    async with conversation(ProviderError("no such key", retryable=retryable)) as talk:
        assert await talk.task == "model_failed"
        assert talk.notes.names() == ["model.failed", "stream.disconnected"]


async def test_silence_ends_the_call_and_the_models_speech_is_not_silence() -> None:
    async with conversation(silence=6) as talk:
        model = await talk.model_session()
        began = asyncio.get_running_loop().time()
        model.queue.put_nowait(AudioDelta("a", audio(1000)))
        assert await talk.task == "silence_timeout"
        assert asyncio.get_running_loop().time() - began == pytest.approx(7)


async def test_the_maximum_duration_ends_the_call() -> None:
    began = asyncio.get_running_loop().time()
    async with conversation(max_duration=3600, silence=7200) as talk:
        (await talk.model_session()).queue.put_nowait(AudioDelta("a", audio(20)))
        assert await talk.task == "max_duration"
        assert asyncio.get_running_loop().time() - began == pytest.approx(3600)


async def test_the_first_request_to_end_decides_the_cause() -> None:
    async with conversation() as talk:
        await talk.model_session()
        talk.session.end("insufficient_balance")
        talk.session.end("normal_clearing")
        assert await talk.task == "insufficient_balance"


async def test_dtmf_is_on_the_timeline() -> None:
    async with conversation() as talk:
        await talk.model_session()
        talk.caller.incoming.put_nowait(DtmfPressed("5"))
        await until(lambda: ("dtmf.received", {"digit": "5"}) in talk.notes.events)


async def test_consecutive_keys_are_one_input_for_the_model() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        for digit in "42#":
            talk.caller.incoming.put_nowait(DtmfPressed(digit))
            await asyncio.sleep(PAUSE_SECONDS - 0.01)
        assert model.contexts == []
        await asyncio.sleep(PAUSE_SECONDS)
        assert model.contexts == ["The caller pressed these keys on the phone: 42#"]


async def test_the_caller_can_speak_first() -> None:
    async with conversation(agent_begins=False) as talk:
        await until(lambda: "stream.connected" in talk.notes.names())
        await settled()
        assert talk.model.sessions[0].replies == []


async def test_context_reaches_the_model() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        assert await talk.session.inject_context("Credited $50.") is True
        assert model.contexts == ["Credited $50."]
