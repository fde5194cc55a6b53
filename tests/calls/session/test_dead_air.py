"""Dead air: the caller waits for a model that is silent, and the remedies that are tried. The test controls both ends."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.cues import Cue
from agents.providers.base import ProviderError, SessionConfig, late_result
from agents.providers.model_events import AudioDelta, OutputTranscript, Reconnected, SpeechStarted, ToolCall, TurnDone
from bubblyphone.core.audio import PCMU_8K
from calls.session import model_notices
from calls.session.interfaces import Engine
from tests.calls.scripted import FRAME, ScriptedModel, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import until

VOICE = audio(20)
PATIENCE = ScriptedModel.answer_seconds

pytestmark = pytest.mark.virtual_time


def speak(talk: Conversation, milliseconds: int = 600) -> None:
    for _ in range(milliseconds // 20):
        talk.caller.incoming.put_nowait(VOICE)
    talk.caller.incoming.put_nowait(FRAME)


async def greeted(talk: Conversation) -> Any:
    """The first model session, after its greeting was heard."""
    model = await talk.model_session()
    answer(model, "greeting")
    await until(lambda: talk.caller.sent)
    await asyncio.sleep(0.1)  # until it has been heard
    return model


def answer(model: Any, item: str, sound: str = audio(40)) -> None:
    model.queue.put_nowait(AudioDelta(item, sound))
    model.queue.put_nowait(OutputTranscript(item, f"This is {item}."))
    model.queue.put_nowait(TurnDone())


def remedies(talk: Conversation) -> list[str]:
    return [data["remedy"] for name, data in talk.notes.events if name == "dead_air"]


async def test_a_silent_model_is_prompted_and_then_reconnected() -> None:
    async with conversation() as talk:
        first = await greeted(talk)
        speak(talk)
        await until(lambda: len(talk.model.sessions) == 2)
        assert remedies(talk) == ["prompt", "reconnect"]
        assert first.replies == ["Greet the caller.", Cue.ANSWER_NOW]
        assert first.is_closed
        second = talk.model.sessions[1]
        await until(lambda: second.replies)
        assert second.replies == [Cue.ANSWER_NOW]
        assert [turn.text for turn in second.config.history] == ["This is greeting."]
        answer(second, "answer")
        await asyncio.sleep(2 * PATIENCE)
        assert remedies(talk) == ["prompt", "reconnect"]
        speak(talk)  # the remedies start again with the mildest
        await until(lambda: len(remedies(talk)) == 3)
        assert remedies(talk)[2] == "prompt"


async def test_noise_that_the_model_ignores_is_taken_for_speech_only_once() -> None:
    async with conversation() as talk:
        model = await greeted(talk)
        speak(talk, 500)
        await until(lambda: remedies(talk) == ["prompt"])
        answer(model, "answer")
        await asyncio.sleep(1)
        speak(talk, 700)
        await asyncio.sleep(2 * PATIENCE)
        assert remedies(talk) == ["prompt"]
        speak(talk, 900)
        await until(lambda: remedies(talk) == ["prompt", "prompt"])


@pytest.mark.parametrize("sound", [audio(0), FRAME])
async def test_an_answer_without_sound_does_not_count(sound: str) -> None:
    async with conversation() as talk:
        model = await greeted(talk)
        speak(talk)
        answer(model, "answer", sound)
        await until(lambda: remedies(talk) == ["prompt"])


async def test_an_answer_of_long_silence_is_cleared_and_does_not_count() -> None:
    async with conversation() as talk:
        model = await greeted(talk)
        speak(talk)
        answer(model, "answer", base64.b64encode(b"\xff" * 8 * 20_000).decode())
        await until(lambda: remedies(talk) == ["prompt"])
        assert (talk.caller.clears, model.replies[-1]) == (1, Cue.ANSWER_NOW)
        answer(model, "spoken", audio(500))
        await asyncio.sleep(0.5 + PATIENCE)
        assert remedies(talk) == ["prompt"]


async def test_a_missing_greeting_is_requested_again() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        await until(lambda: len(model.replies) == 2)
        assert model.replies == ["Greet the caller.", "Greet the caller."]


async def test_a_normal_call_has_no_dead_air() -> None:
    async with conversation() as talk:
        talk.tool_waits = {"slow": asyncio.Event()}
        model = await greeted(talk)
        speak(talk)
        model.queue.put_nowait(ToolCall("1", "slow", {}))
        await asyncio.sleep(2 * PATIENCE)
        talk.tool_waits["slow"].set()
        await until(lambda: model.results)
        answer(model, "answer", audio(10_000))  # a "mhm" while it speaks needs no answer
        await asyncio.sleep(0.1)
        speak(talk, 500)
        await asyncio.sleep(10 + 2 * PATIENCE)
        speak(talk, 200)  # a cough
        await asyncio.sleep(2 * PATIENCE)
        assert remedies(talk) == []


async def test_a_caller_who_interrupted_is_waiting_for_an_answer() -> None:
    async with conversation() as talk:
        model = await greeted(talk)
        model.queue.put_nowait(AudioDelta("long", audio(3000)))
        await until(lambda: len(talk.caller.sent) == 2)
        model.queue.put_nowait(SpeechStarted())
        await until(lambda: remedies(talk) == ["prompt"])


async def test_the_backup_model_takes_over_and_finally_a_person() -> None:
    fallback, connects = ScriptedModel(), list[Any]()

    async def request_transfer(arguments: Any, may_call: Any) -> str:
        connects.append(arguments)
        return ""

    async def fallback_tts(text: str) -> AsyncIterator[str]:
        assert text == model_notices.APOLOGY
        yield audio(100)

    config = SessionConfig(upstream_model="other", instructions="Be brief.", caller_format=PCMU_8K)
    options = {"request_transfer": request_transfer, "fallback_tts": fallback_tts, "fallback": Engine(fallback, config)}
    async with conversation(**options) as talk:
        await greeted(talk)
        speak(talk)
        await until(lambda: connects)
        assert remedies(talk) == ["prompt", "reconnect", "fallback", "give_up"]
        assert (len(talk.model.sessions), len(fallback.sessions)) == (2, 1)
        assert fallback.sessions[0].config.history[-1].text == "This is greeting."
        assert talk.caller.sent[-1] == audio(100)
        assert not talk.task.done()
        await talk.session.transfer_failed("busy")
        assert await talk.task == "model_failed"


async def test_an_unavailable_model_is_replaced_immediately() -> None:
    fallback = ScriptedModel()
    config = SessionConfig(upstream_model="other", instructions="Be brief.", caller_format=PCMU_8K)
    refusal = ProviderError("no such key", retryable=False)
    async with conversation(refusal, fallback=Engine(fallback, config)) as talk:
        await until(lambda: fallback.sessions and fallback.sessions[0].replies)
        assert fallback.sessions[0].replies == ["Greet the caller."]
        assert talk.notes.events[0] == ("model.failed", {"reason": "no such key", "model": "m", "refused": True})


async def test_an_agent_cut_off_by_a_failure_continues_speaking() -> None:
    async with conversation() as talk:
        model = await greeted(talk)
        model.queue.put_nowait(AudioDelta("story", audio(200)))
        model.queue.put_nowait(OutputTranscript("story", "Once upon a time"))
        model.queue.put_nowait(ProviderError("gone", retryable=True))
        second = await talk.model_session(1)
        await until(lambda: second.replies)
        assert second.replies == [Cue.GO_ON]
        assert second.config.history[-1].text == "Once upon a time"
        answer(second, "story")  # the same ID in another session is another answer
        second.queue.put_nowait(Reconnected("dropped", mid_answer=True))
        await until(lambda: len(second.replies) == 2)
        assert second.replies[1] == Cue.GO_ON


async def test_a_tools_result_reaches_the_model_that_took_over() -> None:
    async with conversation() as talk:
        talk.tool_waits = {"slow": asyncio.Event()}
        first = await greeted(talk)
        first.queue.put_nowait(ToolCall("1", "slow", {}))
        first.queue.put_nowait(ProviderError("gone", retryable=True))
        second = await talk.model_session(1)
        talk.tool_waits["slow"].set()
        await until(lambda: second.replies)
        assert second.contexts == [late_result("slow", {"result": {"tool": "slow"}})]
        assert first.results == second.results == []
