"""Gemini Live sessions whose connection is replaced, dropped or refused."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from agents.providers.base import ProviderError, ToolSpec
from agents.providers.gemini import GeminiLiveModel
from agents.providers.model_events import (
    AudioDelta,
    OutputTranscript,
    Reconnected,
    SpeechStarted,
    ToolCall,
    TurnDone,
)
from tests.agents.providers.gemini_sessions import SILENCE, config, open_session
from tests.agents.providers.sounds import pcm_frames, tone
from tests.fakes.gemini_live import FakeGemini, Reply, Script

pytestmark = pytest.mark.virtual_time

WEATHER = ToolSpec("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})

SPEECH = pcm_frames(200, loud=True) + pcm_frames(300, loud=False)


@pytest.mark.parametrize("seconds_left", [8, 3.2])
async def test_go_away_replaces_the_connection_without_a_gap(seconds_left: float) -> None:
    """The model's turn finishes on the old connection. No caller frame is lost or sent twice."""
    story = tone(24000, 2000)
    replies = [Reply(story, "A story."), Reply(tone(24000, 40), "Yes.")]
    script = Script(replies, speed=2, go_away_after_frames=5, go_away_seconds=seconds_left)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        frames = [numbered_silence(number) for number in range(80)]
        await reading.say(frames, pause_seconds=0.02)
        await reading.until_seen(Reconnected)
        assert reading.audio == story
        assert reading.of(OutputTranscript) == [OutputTranscript("turn_1", "A story.")]
        assert reading.of(Reconnected) == [Reconnected("go_away")]
        assert reading.of(SpeechStarted) == []
        await reading.until(lambda: len(fake.caller_audio) == 80)
        assert [int.from_bytes(frame[:2], "little") for frame in fake.caller_audio] == list(range(80))
        assert fake.frames_by_connection[1] > 0
        assert fake.setups()[1]["sessionResumption"]["handle"] in fake.handles
        assert "historyConfig" not in fake.setups()[1]
        await reading.until(lambda: fake.sockets[0].closed, 1)
        await reading.session.generate_reply("Still there?")
        await reading.until_seen(TurnDone, 2)
        assert reading.of(OutputTranscript)[-1] == OutputTranscript("turn_2", "Yes.")


async def test_a_session_that_ends_between_two_connections_closes_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.providers.gemini.SWAP_MARGIN_SECONDS", 60)  # so that it opens the next one immediately
    script = Script([Reply(tone(24000, 30_000), "A saga.")], speed=1, go_away_after_frames=5, go_away_seconds=60)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a saga.")
        await reading.say([numbered_silence(number) for number in range(10)], pause_seconds=0.02)
        await reading.until(lambda: len(fake.frames_by_connection) == 2)
        assert not fake.sockets[0].closed  # the model is in the middle of its answer
        await reading.session.close()
        await reading.until(lambda: all(socket.closed for socket in fake.sockets))


async def test_an_hour_is_one_conversation_over_six_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute takes 40 ms here. Every ten minutes, the vendor announces a minute ahead that it will close the connection."""
    monkeypatch.setattr("agents.providers.gemini.STABLE_SECONDS", 0.1)
    monkeypatch.setattr("agents.providers.gemini.SWAP_MARGIN_SECONDS", 0.01)
    script = Script(
        [Reply(tone(24000, 40), f"Answer {number}.") for number in range(12)],
        go_away_after_frames=80,
        go_away_connections=5,
        go_away_seconds=0.2,
    )
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        for number in range(480):
            await reading.session.send_audio(numbered_silence(number))
            if number % 40 == 20:
                await reading.session.generate_reply("Go on.")
            await asyncio.sleep(0.005)
        await reading.until(lambda: len(fake.caller_audio) == 480)
        await reading.until_seen(TurnDone, 12)
        await reading.until(lambda: len(fake.sockets) >= 5)
        assert [int.from_bytes(frame[:2], "little") for frame in fake.caller_audio] == list(range(480))
        assert [each.text for each in reading.of(OutputTranscript)] == [f"Answer {number}." for number in range(12)]
        assert {each.mid_answer for each in reading.of(Reconnected)} == {False}
        handles = [setup["sessionResumption"].get("handle") for setup in fake.setups()]
        assert handles[0] is None
        assert set(handles[1:]) <= fake.handles
        assert len(set(handles)) == len(handles) >= 5
        assert fake.rejected == []


def numbered_silence(number: int) -> str:
    """A 20 ms frame with its number in the first sample, too quiet to be speech."""
    pcm = number.to_bytes(2, "little") + bytes(638)
    return b64encode(pcm).decode()


async def test_a_dropped_connection_is_resumed_by_its_handle() -> None:
    script = Script([Reply(tone(24000, 80), "Hello."), Reply(tone(24000, 80), "Still here.")], drop_after_frames=3)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Greet.")
        await reading.until_seen(TurnDone)
        await asyncio.sleep(0.05)
        await reading.say(SILENCE, pause_seconds=0.02)
        await reading.until_seen(Reconnected)
        assert reading.of(Reconnected) == [Reconnected("dropped", mid_answer=False)]
        assert fake.setups()[1]["sessionResumption"]["handle"] in fake.handles
        await reading.session.generate_reply("Again.")
        await reading.until_seen(TurnDone, 2)
        assert [each.text for each in reading.of(OutputTranscript)] == ["Hello.", "Still here."]


async def test_a_connection_that_drops_during_an_answer_is_reported_as_such() -> None:
    script = Script([Reply(tone(24000, 3000), "A long story of rain.")], drop_after_frames=3, speed=2)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.say(SILENCE * 4, pause_seconds=0.01)
        await reading.until_seen(Reconnected)
        assert reading.of(Reconnected) == [Reconnected("dropped", mid_answer=True)]


async def test_a_session_that_cannot_be_resumed_restarts_with_the_transcript() -> None:
    script = Script(
        [Reply(tone(24000, 80), "Nine to five.", hears="Your hours?"), Reply(tool_calls=(("get_weather", {}),))],
        drop_after_frames=len(SPEECH) + 3,
        refuse_resumption=True,
    )
    async with FakeGemini(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone)
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(ToolCall)
        await reading.say(SILENCE, pause_seconds=0.02)
        await reading.until_seen(Reconnected)
        await reading.until(lambda: fake.messages("clientContent"))
        assert [setup["sessionResumption"] for setup in fake.setups()] == [
            {},
            {"handle": fake.setups()[1]["sessionResumption"]["handle"]},
            {},
        ]
        assert fake.messages("clientContent") == [
            {
                "clientContent": {
                    "turns": [
                        {"role": "user", "parts": [{"text": "Your hours?"}]},
                        {"role": "model", "parts": [{"text": "Nine to five."}]},
                    ],
                    "turnComplete": True,
                }
            }
        ]
        # The new session never made the call, so it gets the result as text.
        await reading.session.send_tool_result(reading.of(ToolCall)[0].call_id, "get_weather", {"sky": "blue"})
        await reading.until(lambda: len(fake.messages("realtimeInput")) == 2)
        assert fake.messages("realtimeInput")[1] == {
            "realtimeInput": {"text": 'Result of get_weather, which you asked for: {"sky":"blue"}'}
        }
        assert fake.rejected == []


@pytest.mark.parametrize("change", ["drops", "goes away"])
async def test_a_resumed_session_gets_tool_results_as_text(change: str) -> None:
    """A new connection does not know earlier calls, even in the same session, so all results are sent as one text."""
    calls = (("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Bern"}))
    frames = len(SPEECH) + 3
    change_of: dict[str, Any] = (
        {"drop_after_frames": frames}
        if change == "drops"
        else {"go_away_after_frames": frames, "go_away_connections": 1, "go_away_seconds": 3.2}
    )
    script = Script(
        [Reply(tone(24000, 80), "Nine to five.", hears="Your hours?"), Reply(tool_calls=calls)], **change_of
    )
    async with FakeGemini(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone)
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(ToolCall, 3)
        rome, oslo, bern = (call.call_id for call in reading.of(ToolCall))
        await reading.say(SILENCE, pause_seconds=0.02)
        await reading.until_seen(Reconnected)
        assert fake.setups()[1]["sessionResumption"]["handle"] in fake.handles
        texts = len(fake.messages("realtimeInput"))
        await reading.session.send_tool_result(oslo, "get_weather", {"sky": "snow"})
        await reading.session.send_tool_result(oslo, "get_weather", {"sky": "twice"})
        await reading.session.send_tool_result(rome, "get_weather", {"error": "This could not be completed."})
        await reading.session.send_context("Meanwhile.")
        await reading.until(lambda: len(fake.messages("realtimeInput")) == texts + 1)
        await reading.session.send_tool_result(bern, "get_weather", {"sky": "grey"})
        await reading.until(lambda: len(fake.messages("realtimeInput")) == texts + 2)
        words = [
            'Result of get_weather, which you asked for: {"sky":"snow"}',
            'Result of get_weather, which you asked for: {"error":"This could not be completed."}',
            'Result of get_weather, which you asked for: {"sky":"grey"}',
        ]
        assert fake.messages("realtimeInput")[-1] == {"realtimeInput": {"text": "\n".join(words)}}
        assert (fake.messages("toolResponse"), fake.rejected) == ([], [])


async def test_a_connection_that_drops_again_immediately_is_given_up() -> None:
    script = Script(drop_after_frames=2, drop_connections=2)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.say(SILENCE * 4, pause_seconds=0.01)
        failure = await reading.until_failed()
        assert isinstance(failure, ProviderError)
        assert failure.retryable is True
        assert len(fake.setups()) == 2


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (403, False), (404, False), (429, True), (503, True)])
async def test_refused_connection(status: int, retryable: bool) -> None:
    async with FakeGemini(Script(refuse_status=status)) as fake:
        with pytest.raises(ProviderError, match=f"status {status}") as caught:
            await open_session(fake)
        assert caught.value.retryable is retryable


async def test_a_refused_setup_reports_the_vendor_s_message() -> None:
    async with FakeGemini(Script(refuse_settings="API key not valid.")) as fake:
        with pytest.raises(ProviderError, match=r"\(1007\). API key not valid") as caught:
            await open_session(fake)
        assert caught.value.retryable is False


async def test_an_unresponsive_vendor_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.providers.connecting.CONNECT_TIMEOUT_SECONDS", 0.3)
    async with FakeGemini(Script(hang=True)) as fake:
        with pytest.raises(ProviderError, match="in time") as caught:
            await open_session(fake)
        assert caught.value.retryable is True


async def test_a_closed_session_accepts_no_more_input() -> None:
    async with FakeGemini() as fake, await open_session(fake) as reading:
        await reading.session.close()
        await reading.session.close()
        with pytest.raises(ProviderError, match="closed"):
            await reading.session.send_audio(SILENCE[0])
        assert reading.failure is None


async def test_the_developer_s_key_and_a_missing_key() -> None:
    async with FakeGemini() as fake:
        async with await open_session(fake, api_key="own-key"):
            assert fake.headers[0]["x-goog-api-key"] == "own-key"
        keyless = GeminiLiveModel(base_url=fake.base_url)
        assert keyless.is_available() is False
        with pytest.raises(ProviderError, match="No Gemini API key"):
            await keyless.connect(config())
