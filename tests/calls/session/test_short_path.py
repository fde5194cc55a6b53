"""Audio that goes straight from one socket's callback to the other socket: in order, and with the same results as the long path."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agents.providers import audio_messages
from agents.providers.base import ProviderError, SessionConfig
from bubblyphone.core.audio import PCMU_8K
from calls.session.audio_counts import AUDIO
from calls.session.call_session import CallSession, Limits
from calls.session.short_path import at_once
from calls.session.transport import CallerFrame, CarrierTransport
from phone_numbers.carriers.media_protocol import DtmfPressed, MarkReached, StreamError
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from tests.calls.scripted import DirectCaller, Notebook, ScriptedModel, ScriptedSession, audio
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time


class DirectSession(ScriptedSession):
    """A model session with a short path. `fault` is raised when the next frame is sent to it."""

    is_direct = True
    fault: Exception | None = None

    async def send_audio(self, payload: str) -> None:
        if self.fault is not None:
            raise self.fault
        await super().send_audio(payload)


class DirectModel(ScriptedModel):
    async def connect(self, config: SessionConfig) -> DirectSession:
        self.sessions.append(DirectSession(config))
        session = self.sessions[-1]
        assert isinstance(session, DirectSession)
        return session


class Call:
    def __init__(self) -> None:
        self.caller, self.model, self.notes = DirectCaller(), DirectModel(), Notebook()
        self.session = CallSession(
            transport=self.caller,
            model=self.model,
            config=SessionConfig(upstream_model="m", instructions="", caller_format=PCMU_8K),
            greeting="Hello.",
            limits=Limits(60, 30),
            run_tool=no_tool,
            observer=self.notes,
            now=asyncio.get_running_loop().time,
        )
        self.task = asyncio.create_task(self.session.run())

    async def greeted(self) -> Any:
        await until(lambda: self.model.sessions and self.model.sessions[0].replies and self.caller.is_awaited)
        return self.model.sessions[0]


async def no_tool(name: str, arguments: Any, call_id: str) -> dict[str, Any]:
    raise AssertionError("no tool should be called")


async def test_audio_takes_the_short_path_both_ways_and_control_frames_keep_their_order() -> None:
    call = Call()
    assert call.caller.speak(audio(20)) is False  # no model yet
    model = await call.greeted()
    first, second, third = audio(20), audio(21), audio(22)
    assert call.caller.speak(first) is True
    assert model.heard == [audio(20), first]
    call.caller.incoming.put_nowait(DtmfPressed("5"))
    assert [call.caller.speak(second), call.caller.speak(third)] == [False, False]  # after the key
    await until(lambda: len(model.heard) == 4)
    assert model.heard[2:] == [second, third]
    assert "dtmf.received" in call.notes.names()
    assert model.audio_sink("item_1", audio(40)) is True
    assert call.caller.sent == [audio(40)]
    call.session.end("completed")
    assert await call.task == "completed"


async def test_an_interruption_takes_the_short_path() -> None:
    call = Call()
    model = await call.greeted()
    assert model.speech_sink() is True  # nothing plays
    assert (call.caller.clears, model.truncated) == (0, [])
    assert model.audio_sink("item_1", audio(400)) is True
    await asyncio.sleep(0.14)
    assert model.speech_sink() is True
    assert (call.caller.clears, model.truncated) == (1, [("item_1", 140)])
    assert "model.interrupted" in call.notes.names()
    call.session.end("completed")
    await call.task


async def test_a_mark_takes_the_short_path() -> None:
    call = Call()
    model = await call.greeted()
    assert model.audio_sink("item_1", audio(400)) is True
    assert call.caller.marks == ["m1"]
    await asyncio.sleep(0.3)
    assert call.caller.sink(MarkReached("m1")) is True  # the carrier's clock is fast: nothing plays anymore
    assert model.speech_sink() is True
    assert (call.caller.clears, model.truncated) == (0, [])
    call.session.end("completed")
    await call.task


async def test_nothing_takes_the_short_path_after_the_end() -> None:
    call = Call()
    model = await call.greeted()
    call.session.end("completed")
    await settled()
    assert [call.caller.sink(audio(20)), call.caller.sink(MarkReached("m1"))] == [False, False]
    assert [model.audio_sink("item_1", audio(20)), model.speech_sink()] == [False, False]
    assert await call.task == "completed"
    assert (model.heard, call.caller.sent, call.caller.clears) == ([], [], 0)


async def test_an_interruption_waits_for_its_turn_if_the_model_might_have_to() -> None:
    call = Call()
    model = await call.greeted()
    assert model.audio_sink("item_1", audio(400)) is True
    model.is_direct = False
    assert model.speech_sink() is False
    assert (call.caller.clears, model.truncated) == (0, [])
    call.session.end("completed")
    await call.task


async def test_a_bug_ends_only_its_call() -> None:
    broken, other = Call(), Call()
    model, other_model = await broken.greeted(), await other.greeted()
    model.fault = ZeroDivisionError("a defect")
    assert broken.caller.speak(audio(20)) is True
    assert broken.caller.speak(audio(20)) is False
    with pytest.raises(ZeroDivisionError, match="a defect"):
        await broken.task
    assert model.is_closed
    assert other.caller.speak(audio(20)) is True
    assert other_model.heard == [audio(20)]
    other.session.end("completed")
    await other.task


async def test_a_bug_on_both_paths_at_once_is_raised_once(caplog: pytest.LogCaptureFixture) -> None:
    call = Call()
    model = await call.greeted()
    model.fault = ZeroDivisionError("a defect")
    call.caller.incoming.put_nowait(audio(20))  # for the task
    await asyncio.sleep(0)
    assert call.caller.sink(audio(20)) is True
    with pytest.raises(ZeroDivisionError, match="a defect"):
        await call.task
    del call
    gc.collect()
    # Threads left by earlier tests log too.
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_a_model_that_has_just_failed_costs_a_frame_and_not_the_call() -> None:
    call = Call()
    model = await call.greeted()
    lost_before = AUDIO.lost_to_model
    model.fault = ProviderError("gone", retryable=True)
    assert call.caller.speak(audio(20)) is True
    assert AUDIO.lost_to_model == lost_before + 1
    call.caller.incoming.put_nowait(audio(21))  # for the task
    await settled()
    assert AUDIO.lost_to_model == lost_before + 2
    model.fault = None
    assert call.caller.speak(audio(22)) is True
    assert (model.heard, AUDIO.lost_to_model) == ([audio(22)], lost_before + 2)
    call.session.end("completed")
    await call.task


async def test_a_step_that_waits_is_a_bug() -> None:
    steps = []

    async def step() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            steps.append("ended")

    with pytest.raises(RuntimeError, match="must not wait"):
        at_once(step())
    assert steps == ["ended"]


# --- the carrier's end --------------------------------------------------------------------------------------------------


def media(payload: str, track: str = "inbound") -> str:
    return orjson.dumps({"event": "media", "media": {"track": track, "payload": payload}}).decode()


class Wire:
    """The carrier's socket, and what a session reads from it: `short` in the callback, `long` in a task."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.transport = CarrierTransport(TelnyxMediaProtocol, self.incoming.get, self.send, lambda text: None)
        self.short: list[str | MarkReached] = []
        self.long: list[CallerFrame] = []
        self.take: Callable[[str], bool] = self.transport.take

    async def send(self, message: dict[str, Any]) -> None:
        raise AssertionError("all audio should take the short path")

    def hear(self, frame: str | MarkReached) -> bool:
        self.short.append(frame)
        return True

    def say(self, text: str) -> None:
        if not self.incoming.empty() or not self.take(text):
            self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def read(self) -> None:
        self.transport.hand_audio_to(self.hear)
        async for frame in self.transport.frames():
            self.long.append(frame)


async def test_only_audio_that_needs_no_pacing_is_taken_from_the_carrier() -> None:
    wire = Wire()
    assert wire.take(media(audio(20))) is False  # before the start
    start = {"call_control_id": "v3:x", "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}}
    wire.say(orjson.dumps({"event": "start", "start": start}).decode())
    await wire.transport.wait_for_start()
    assert wire.take(media(audio(20))) is False  # nobody reads
    reading = asyncio.create_task(wire.read())
    await settled()
    mark = orjson.dumps({"event": "mark", "mark": {"name": "m1"}}).decode()
    for text in (media(audio(20)), media(audio(20), "outbound"), mark, media(audio(21))):
        wire.say(text)
    await settled()
    assert (wire.short, wire.long) == ([audio(20)], [MarkReached("m1"), audio(21)])
    wire.say(mark)
    assert wire.short == [audio(20), MarkReached("m1")]
    wire.say(mark.replace(":", ": "))
    assert wire.short == [audio(20), MarkReached("m1"), MarkReached("m1")]
    wire.say(mark.replace("m1", "m\\u0032"))  # must be parsed
    await settled()
    wire.say('{"event":"mark"}')
    await settled()
    assert wire.long[2:] == [MarkReached("m2"), StreamError("The carrier sent an invalid frame")]
    wire.say(media(audio(100)))  # must be split into frames, so the short path ends
    wire.say(media(audio(20)))
    await until(lambda: len(wire.long) == 10)
    assert (wire.short[3:], wire.long[4:]) == ([], [audio(20)] * 6)
    reading.cancel()


OPENAI = (
    b'{"type":"response.output_audio.delta","event_id":"e","response_id":"r\xc3\xa9","item_id":"i","output_index":0,'
    b'"content_index":0,"delta":"AAAA"}'
)
GEMINI = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAAA"}}]}}}'


@pytest.mark.parametrize(
    ("read", "message", "change", "found"),
    [
        (audio_messages.of_openai, OPENAI, (b"", b""), ("ré", "i", "AAAA")),
        (
            audio_messages.of_openai,
            OPENAI,
            (OPENAI[1:52], b'"event_id":"e","type":"response.output_audio.delta"'),
            ("ré", "i", "AAAA"),
        ),
        (audio_messages.of_openai, OPENAI, (b"AAAA", b"A\\u0041AA"), None),
        (audio_messages.of_openai, OPENAI, (b'"AAAA"', b'"AAAA","more":""'), None),
        (audio_messages.of_openai, OPENAI, (b"AAAA", b"A AA"), None),
        (audio_messages.of_openai, OPENAI, (b"\xc3\xa9", b"\xff"), None),
        (audio_messages.of_openai, OPENAI, (b'"r\xc3\xa9"', b'"r\\""'), None),
        (audio_messages.of_openai, OPENAI, (b"output_audio", b"output_text"), None),
        (audio_messages.of_gemini, GEMINI, (b"", b""), "AAAA"),
        (audio_messages.of_gemini, GEMINI, (b":{", b":\n  {"), "AAAA"),
        (audio_messages.of_gemini, GEMINI, (b'{"parts"', b'{"role":"model","parts"'), "AAAA"),
        (audio_messages.of_gemini, GEMINI, (b"}]}}}", b'}]},"turnComplete":true}}'), None),
        (audio_messages.of_gemini, GEMINI, (b"}]", b'},{"text":"and"}]'), None),
        (audio_messages.of_gemini, GEMINI, (b"24000", b"48000"), None),
        (audio_messages.of_gemini, GEMINI, (b"AAAA", b"A\\/AA"), None),
        (audio_messages.of_gemini, GEMINI, (b"AAAA", b""), None),
    ],
)
async def test_only_audio_in_the_vendors_exact_format_is_cut_out(
    read: Callable[[bytes], object], message: bytes, change: tuple[bytes, bytes], found: object
) -> None:
    before, after = change
    assert read(message.replace(before, after) if before else message) == found


def openai_audio(event: str, item: str, delta: str, more: str = "") -> bytes:
    """A message with audio of an answer. `event` is inserted into the JSON unescaped."""
    return (
        f'{{"type":"response.output_audio.delta","event_id":"{event}","response_id":"resp_1","item_id":"{item}","output_index":0,'
        f'"content_index":0,"delta":"{delta}"{more}}}'
    ).encode()


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (openai_audio("event_22", "item_1", "BBBB"), ("resp_1", "item_1", "BBBB")),
        (openai_audio("e", "item_2", "BBBB"), ("resp_1", "item_2", "BBBB")),
        (openai_audio("event_22", "item_1", "BB B"), None),
        (openai_audio("event_22", "item_1", "BBBB", ',"more":""'), None),
        (openai_audio("event_22", "item_1", "BBBB")[:-1], None),
        # An event ID that contains what looks like its end and the next fields.
        (openai_audio("x\\", "item_1", "BBBB"), None),
    ],
)
def test_audio_is_cut_out_by_the_layout_of_the_previous_message(
    message: bytes, found: tuple[str, str, str] | None
) -> None:
    cutter = audio_messages.OpenAICutter()
    for _ in range(2):
        assert cutter.cut(openai_audio("event_1", "item_1", "AAAA")) == ("resp_1", "item_1", "AAAA")
    assert cutter.cut(message) == found == audio_messages.of_openai(message)
