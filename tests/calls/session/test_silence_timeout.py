"""Silence counts from the last sound, whatever is reconnected. The test controls both ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.cues import Cue
from agents.providers.base import ProviderError, SessionConfig
from agents.providers.model_events import AudioDelta, InputTranscript, Reconnected, SpeechStarted, ToolCall, TurnDone
from bubblyphone.core.audio import PCMU_8K
from calls.session.interfaces import Engine
from calls.session.limit_watch import LOOK_SECONDS
from calls.session.silence_timeout import SilenceClock
from calls.session.transport import LineBack, LineBroken
from phone_numbers.carriers.media_protocol import DtmfPressed
from tests.calls.scripted import ScriptedModel, audio
from tests.calls.session.conversations import Conversation, conversation
from tests.calls.session.test_playback_clock import Clock
from tests.virtual_time import settled, until

SILENCE_SECONDS = 12.0
AT = 6.1  # when the event happens, in seconds after the greeting

pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model counts as broken."""
    monkeypatch.setattr(ScriptedModel, "answer_seconds", 60.0)


async def ended_after(event: Callable[[Conversation, Any], Awaitable[None]], **options: Any) -> float:
    """Seconds from the end of the greeting to the end of the call, with an event in between."""
    loop = asyncio.get_running_loop()
    async with conversation(silence=SILENCE_SECONDS, **options) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("greeting", audio(100)))
        model.queue.put_nowait(TurnDone())
        await until(lambda: talk.caller.sent)
        quiet_from = loop.time() + 0.1
        await asyncio.sleep(AT)
        await event(talk, model)
        assert await talk.task == "silence_timeout"
        return loop.time() - quiet_from


async def nothing(talk: Conversation, model: Any) -> None: ...


async def model_drops(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(ProviderError("gone", retryable=True))
    await talk.model_session(1)


async def model_is_replaced(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(ProviderError("gone", retryable=False))
    await settled()


async def vendor_goes_away(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(Reconnected("go_away"))


async def guard_reconnects(talk: Conversation, model: Any) -> None:
    await talk.session.link.drop()
    await talk.model_session(1)


async def line_breaks(talk: Conversation, model: Any) -> None:
    for frame in (LineBroken(), LineBack()):
        talk.caller.incoming.put_nowait(frame)


async def silent_answer(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(AudioDelta("silent", "/" * 96000))  # 9 s


@pytest.mark.parametrize(
    "event", [nothing, model_drops, model_is_replaced, vendor_goes_away, guard_reconnects, line_breaks, silent_answer]
)
async def test_events_without_sound_do_not_restart_the_silence(
    event: Callable[[Conversation, Any], Awaitable[None]],
) -> None:
    config = SessionConfig(upstream_model="other", instructions="Be brief.", caller_format=PCMU_8K)
    seconds = await ended_after(event, fallback=Engine(ScriptedModel(), config))
    assert 0 <= seconds - SILENCE_SECONDS <= LOOK_SECONDS


async def agent_speaks(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(AudioDelta("answer", audio(200)))


async def caller_speaks(talk: Conversation, model: Any) -> None:
    for _ in range(10):
        talk.caller.incoming.put_nowait(audio(20))
        await asyncio.sleep(0.02)


async def caller_is_understood(talk: Conversation, model: Any) -> None:
    model.queue.put_nowait(SpeechStarted())
    await asyncio.sleep(0.2)
    model.queue.put_nowait(InputTranscript("Hm."))


async def key_is_pressed(talk: Conversation, model: Any) -> None:
    await asyncio.sleep(0.2)
    talk.caller.incoming.put_nowait(DtmfPressed("5"))


async def tool_runs(talk: Conversation, model: Any) -> None:
    """A running tool is neither silence nor sound: the silence before it still counts."""
    talk.tool_waits = {"slow": asyncio.Event()}
    model.queue.put_nowait(ToolCall("1", "slow", {}))
    await asyncio.sleep(AT + 0.2)
    talk.tool_waits["slow"].set()


async def transfer_fails(talk: Conversation, model: Any) -> None:
    await talk.session.transfer_begun(is_warm=True)
    await asyncio.sleep(AT + 0.2)
    await talk.session.transfer_failed("busy")


@pytest.mark.parametrize(
    "event", [agent_speaks, caller_speaks, caller_is_understood, key_is_pressed, tool_runs, transfer_fails]
)
async def test_sound_restarts_the_silence_and_waiting_pauses_it(
    event: Callable[[Conversation, Any], Awaitable[None]],
) -> None:
    late = await ended_after(event) - (SILENCE_SECONDS + AT + 0.2)
    assert 0 <= late <= LOOK_SECONDS


def test_a_resumed_session_counts_the_silence_before_it() -> None:
    clock = Clock()
    silence = SilenceClock(clock, silent_for=7.0)
    clock.now += 2
    assert silence.check(is_sound=False, is_excused=True) == pytest.approx(7)
    clock.now += 2.5
    assert silence.check(is_sound=False, is_excused=False) == pytest.approx(9.5)
    silence.heard(clock.now - 1)
    silence.heard(clock.now - 4)
    assert silence.seconds == pytest.approx(1)


@pytest.mark.parametrize("answers", [False, True])
async def test_the_agent_asks_once_before_the_call_ends(answers: bool) -> None:
    loop = asyncio.get_running_loop()
    async with conversation(silence=SILENCE_SECONDS, asks=True) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("greeting", audio(100)))
        model.queue.put_nowait(TurnDone())
        await until(lambda: talk.caller.sent)
        quiet_from = loop.time() + 0.1
        await until(lambda: model.replies[-1] == Cue.ASK_IF_THERE)
        assert loop.time() - quiet_from == pytest.approx(8, abs=2 * LOOK_SECONDS)
        model.queue.put_nowait(AudioDelta("question", audio(1000)))
        model.queue.put_nowait(TurnDone())
        asked_at = loop.time() + 1
        if answers:
            await asyncio.sleep(2)
            talk.caller.incoming.put_nowait(DtmfPressed("1"))
            asked_at = loop.time() + 12  # a new silence, with a question after eight seconds that is not answered
        assert await talk.task == "silence_timeout"
        assert loop.time() - asked_at == pytest.approx(4 if not answers else 0, abs=3 * LOOK_SECONDS)
        assert model.replies.count(Cue.ASK_IF_THERE) == (2 if answers else 1)


async def test_a_tool_called_after_the_question_is_awaited() -> None:
    loop = asyncio.get_running_loop()
    async with conversation(silence=SILENCE_SECONDS, asks=True) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("greeting", audio(100)))
        model.queue.put_nowait(TurnDone())
        await until(lambda: model.replies[-1] == Cue.ASK_IF_THERE)
        await tool_runs(talk, model)
        done_at = loop.time()
        assert await talk.task == "silence_timeout"
        assert loop.time() - done_at == pytest.approx(4, abs=2 * LOOK_SECONDS)


async def test_without_the_setting_nobody_is_asked() -> None:
    assert await ended_after(nothing) == pytest.approx(SILENCE_SECONDS, abs=2 * LOOK_SECONDS)


@pytest.mark.parametrize("is_cut", [False, True])
async def test_a_silent_answer_does_not_end_the_sound_that_plays_before_it(is_cut: bool) -> None:
    loop = asyncio.get_running_loop()
    async with conversation(silence=SILENCE_SECONDS) as talk:
        model = await talk.model_session()
        quiet_from = loop.time() + 20
        model.queue.put_nowait(AudioDelta("greeting", audio(20_000)))
        model.queue.put_nowait(TurnDone())
        await asyncio.sleep(3 * LOOK_SECONDS)
        model.queue.put_nowait(AudioDelta("silent", "/" * 9600))  # 0.9 s, queued behind the greeting
        await asyncio.sleep(LOOK_SECONDS)
        if is_cut:
            model.queue.put_nowait(SpeechStarted())
            model.queue.put_nowait(InputTranscript("Hm."))
            await settled()
            quiet_from = loop.time()
        assert await talk.task == "silence_timeout"
        assert 0 <= loop.time() - quiet_from - SILENCE_SECONDS <= LOOK_SECONDS
