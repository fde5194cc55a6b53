"""How long the caller waited for answers: the platform's measurement, compared with the call's recording."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.providers.base import SessionConfig, ToolSpec
from agents.providers.model_events import AudioDelta, SpeechStarted, SpeechStopped, ToolCall, TurnDone
from bubblyphone.core.audio import PCMU_8K
from calls.live.call_recorder import CallRecorder, RecordedTransport
from calls.session.call_session import CallSession
from calls.session.interfaces import Limits
from calls.session.speech_times import PAUSE_SECONDS
from calls.session.transport import CallerFrame, LineBack, LineBroken
from phone_numbers.carriers.media_protocol import MarkReached, StreamStopped
from tests.calls.live.test_call_recorder import channels, loud_ms
from tests.calls.scripted import FRAME, Notebook, ScriptedModel, ScriptedSession, audio
from tests.virtual_time import settled, until

NO_ARGUMENTS = {"type": "object", "properties": {}}
TOOLS = (
    ToolSpec("look", "Look it up", NO_ARGUMENTS),
    ToolSpec("patient", "Look it up", NO_ARGUMENTS, speak_while_waiting="One moment."),
)
VOICE = audio(20)
SOFT = base64.b64encode(b"\xef" * 160).decode()  # an amplitude of 132, like the last consonant of "six"
SOFT_ENDING = [FRAME] * 4 + [SOFT] * 8
FRAME_MS = 20

pytestmark = pytest.mark.virtual_time


class TalkingCaller:
    """A line that plays audio in real time, returns marks, and sends a frame every 20 ms."""

    audio_format = PCMU_8K

    def __init__(self) -> None:
        self._control: asyncio.Queue[CallerFrame] = asyncio.Queue()
        self._ends_at = 0.0
        self.began_at = 0.0  # the time of the first frame's first sample
        self.is_speaking = False
        self.ending: list[CallerFrame] = []  # the frames after speech
        self.is_broken = False

    async def frames(self) -> AsyncIterator[CallerFrame]:
        loop = asyncio.get_running_loop()
        due = self.began_at = loop.time()
        ending: list[CallerFrame] = []
        while True:
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))
            while not self._control.empty():
                frame = self._control.get_nowait()
                yield frame
                if isinstance(frame, StreamStopped):
                    return
            if self.is_speaking:
                ending = list(self.ending)
            if not self.is_broken:
                yield VOICE if self.is_speaking else ending.pop(0) if ending else FRAME

    def put(self, frame: CallerFrame) -> None:
        self._control.put_nowait(frame)

    async def send_audio(self, payload: str) -> None:
        now = asyncio.get_running_loop().time()
        self._ends_at = max(self._ends_at, now) + len(base64.b64decode(payload)) / 8000

    async def send_mark(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(max(self._ends_at, loop.time()), self.put, MarkReached(name))

    async def clear(self) -> None:
        self._ends_at = 0.0


class Call:
    """A recorded call. The test plays the model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        now = asyncio.get_running_loop().time
        self.caller, self.notes, self.scripted = TalkingCaller(), Notebook(now), ScriptedModel()
        self.tool_seconds = 0.0
        self.recorder = CallRecorder(path, PCMU_8K, now)
        self.session = CallSession(
            transport=RecordedTransport(self.caller, self.recorder),
            model=self.scripted,
            config=SessionConfig(upstream_model="m", instructions="", caller_format=PCMU_8K, tools=TOOLS),
            greeting="Greet the caller.",
            limits=Limits(max_duration=60, silence=30),
            run_tool=self.run_tool,
            observer=self.notes,
            agent_begins=False,
            fallback_tts=self.fallback_tts,
            now=now,
        )

    async def run_tool(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        await asyncio.sleep(self.tool_seconds)
        return {"result": "found"}

    async def fallback_tts(self, text: str) -> AsyncIterator[str]:
        yield audio(300)

    @property
    def model(self) -> ScriptedSession:
        return self.scripted.sessions[0]

    async def ask(self, *, with_end: bool = True) -> None:
        """The caller speaks for 500 ms. `with_end`: 200 ms later the model reports the end of the turn."""
        self.caller.is_speaking = True
        await asyncio.sleep(0.2)
        if with_end:
            self.model.queue.put_nowait(SpeechStarted())
        await asyncio.sleep(0.3)
        self.caller.is_speaking = False
        if with_end:
            await asyncio.sleep(0.2)
            self.model.queue.put_nowait(SpeechStopped())

    def say(self, item_id: str, milliseconds: int, *, silent_ms: int = 0) -> None:
        data = b"\xff" * (8 * silent_ms) + base64.b64decode(audio(milliseconds))
        self.model.queue.put_nowait(AudioDelta(item_id, base64.b64encode(data).decode()))
        self.model.queue.put_nowait(TurnDone())

    def call_tool(self, name: str, seconds: float) -> None:
        self.tool_seconds = seconds
        self.model.queue.put_nowait(ToolCall(f"call_{name}_{seconds}", name, {}))

    async def returned(self, count: int) -> None:
        await until(lambda: len(self.model.results) == count)

    async def run(self, script: Callable[["Call"], Awaitable[None]]) -> None:
        task = asyncio.create_task(self.session.run())
        await settled()
        await asyncio.sleep(0.1)
        await script(self)
        await asyncio.sleep(0.9)
        self.caller.put(StreamStopped())
        await task
        await self.recorder.close()

    def waits_on_recording(self) -> list[float]:
        """The time from the end of each of the caller's sentences to the agent's next sound, in ms."""
        caller, agent = map(loud_ms, channels(self.path))
        ends = [
            end
            for number, (_, end) in enumerate(caller)
            if number + 1 == len(caller) or caller[number + 1][0] > end + 200
        ]
        return [min(begin for begin, _ in agent if begin >= end) - end for end in ends]

    def heard_on_recording(self, channel: int) -> list[float]:
        """The start and end of each stretch of sound, in ms from the start of the recording."""
        edges: list[float] = []
        for begin, end in loud_ms(channels(self.path)[channel]):
            if edges and begin - edges[-1] <= PAUSE_SECONDS * 1000:
                edges.pop()
                edges.append(end)
            else:
                edges += [begin, end]
        return edges

    def measured(self, role: str) -> list[float]:
        """The same, as measured by the platform."""
        began_at = self.caller.began_at
        return [(at - began_at) * 1000 for side, *edges in self.notes.speech if side == role for at in edges]


async def plain_answer(call: Call) -> None:
    await call.ask()
    await asyncio.sleep(0.3)
    call.say("a", 400)


async def word_that_ends_softly(call: Call) -> None:
    call.caller.ending = SOFT_ENDING
    await call.ask(with_end=False)
    await asyncio.sleep(0.6)
    call.say("a", 400)


async def first_words_then_tool(call: Call) -> None:
    await call.ask()
    await asyncio.sleep(0.3)
    call.say("a", 300)
    call.call_tool("look", 0.8)
    await call.returned(1)
    call.say("b", 400)


async def fallback_voice_during_a_tool(call: Call) -> None:
    call.model.speaks_during_tools = False
    await call.ask()
    call.call_tool("patient", 1.5)
    await call.returned(1)
    call.say("b", 400)


async def tool_without_speech(call: Call) -> None:
    await call.ask()
    call.call_tool("look", 0.5)
    await call.returned(1)
    await asyncio.sleep(0.1)
    call.say("b", 400)


async def silence_before_the_first_sound(call: Call) -> None:
    await call.ask()
    call.say("a", 400, silent_ms=300)


async def audio_runs_out_after_a_short_word(call: Call) -> None:
    await call.ask()
    call.say("a", 60)
    await asyncio.sleep(0.5)
    call.say("a", 400)


async def tool_of_the_previous_turn(call: Call) -> None:
    """With a model that does not report when the caller has finished."""
    await call.ask(with_end=False)
    await asyncio.sleep(0.2)
    call.say("a", 300)
    call.call_tool("look", 0.6)
    await call.returned(1)
    call.say("b", 300)
    await asyncio.sleep(0.6)
    await call.ask(with_end=False)
    await asyncio.sleep(0.3)
    call.say("c", 300)


async def interrupted_answer(call: Call) -> None:
    await call.ask()
    for _ in range(8):
        call.say("a", 250)
    await asyncio.sleep(0.6)
    await call.ask()
    await asyncio.sleep(0.2)
    call.say("b", 300)


async def line_that_broke_before(call: Call) -> None:
    call.caller.put(LineBroken())
    call.caller.is_broken = True
    await asyncio.sleep(0.4)
    call.caller.put(LineBack())
    call.caller.is_broken = False
    await asyncio.sleep(0.1)
    await plain_answer(call)


@pytest.mark.parametrize(
    ("script", "tool_ms"),
    [
        (plain_answer, [0]),
        (word_that_ends_softly, [0]),
        (first_words_then_tool, [0]),
        (fallback_voice_during_a_tool, [700]),
        (tool_without_speech, [500]),
        (silence_before_the_first_sound, [0]),
        (audio_runs_out_after_a_short_word, [0]),
        (tool_of_the_previous_turn, [0, 0]),
        (line_that_broke_before, [0]),
        (interrupted_answer, [0, 0]),
    ],
)
async def test_answer_times_match_the_recording(
    script: Callable[[Call], Awaitable[None]], tool_ms: list[int], tmp_path: Path
) -> None:
    call = Call(tmp_path / "call.wav")
    await call.run(script)
    turns = call.notes.turns
    assert [turn.total_ms for turn in turns] == pytest.approx(call.waits_on_recording(), abs=FRAME_MS)
    assert [turn.tool_ms for turn in turns] == pytest.approx(tool_ms, abs=1)
    assert call.measured("user") == pytest.approx(call.heard_on_recording(0), abs=FRAME_MS)
    assert call.measured("model") == pytest.approx(call.heard_on_recording(1), abs=FRAME_MS)
    assert [turn.carrier_in_ms for turn in turns] == pytest.approx([0] * len(turns), abs=1)
    # A returned mark is read with the next frame.
    assert [turn.playout_ms for turn in turns] == pytest.approx([0] * len(turns), abs=FRAME_MS)
