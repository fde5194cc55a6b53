"""A caller and a model for sessions without a network: the test controls both ends of `calls.session.call_session`."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from agents.providers.base import ProviderError, RealtimeModel, RealtimeSession, SessionConfig
from agents.providers.model_events import ModelEvent, OutputTranscript
from bubblyphone.core.audio import PCMU_8K, AudioFormat
from calls.session.transport import AudioSink, CallerFrame
from calls.session.turn_clock import TurnTimes
from phone_numbers.carriers.media_protocol import StreamStopped

FRAME = base64.b64encode(b"\xff" * 160).decode()


def audio(milliseconds: int) -> str:
    """A PCMU payload of this length."""
    return base64.b64encode(b"\x10" * (8 * milliseconds)).decode()


class ScriptedCaller:
    """A media transport whose remote end is the test."""

    audio_format: AudioFormat = PCMU_8K

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[CallerFrame] = asyncio.Queue()
        self.sent: list[str] = []
        self.marks: list[str] = []
        self.clears = 0

    async def frames(self) -> AsyncIterator[CallerFrame]:
        while True:
            frame = await self.incoming.get()
            yield frame
            if isinstance(frame, StreamStopped):
                return

    async def send_audio(self, payload: str) -> None:
        self.sent.append(payload)

    async def send_mark(self, name: str) -> None:
        self.marks.append(name)

    async def clear(self) -> None:
        self.clears += 1


class DirectCaller(ScriptedCaller):
    """A caller with a short path for audio in both directions. `speak` uses it if possible, as a socket's callback would."""

    is_direct = True

    def __init__(self) -> None:
        super().__init__()
        self.sink: AudioSink = lambda payload: False
        self.is_awaited = False

    def hand_audio_to(self, sink: AudioSink) -> None:
        self.sink = sink

    def speak(self, payload: str) -> bool:
        """Send audio. Returns whether it took the short path."""
        is_short = self.is_awaited and self.incoming.empty() and self.sink(payload)
        if not is_short:
            self.incoming.put_nowait(payload)
        return is_short

    async def frames(self) -> AsyncIterator[CallerFrame]:
        while True:
            self.is_awaited = True
            try:
                frame = await self.incoming.get()
            finally:
                self.is_awaited = False
            yield frame
            if isinstance(frame, StreamStopped):
                return


class ScriptedSession(RealtimeSession):
    """A model session: the test puts events in, and reads what was sent to the model."""

    input_format = PCMU_8K
    output_format = PCMU_8K

    def __init__(self, config: SessionConfig) -> None:
        self.config = config
        self.queue: asyncio.Queue[ModelEvent | ProviderError | None] = asyncio.Queue()
        self.heard: list[str] = []
        self.replies: list[str] = []
        self.contexts: list[str] = []
        self.truncated: list[tuple[str, int]] = []
        self.results: list[tuple[str, str, Mapping[str, Any]]] = []
        self.is_closed = False
        self.left: list[OutputTranscript] = []

    def unfinished(self) -> list[OutputTranscript]:
        return self.left

    async def send_audio(self, payload: str) -> None:
        if self.is_closed:
            raise ProviderError("closed", retryable=True)
        self.heard.append(payload)

    async def send_text(self, text: str) -> None:
        self.heard.append(text)

    async def events(self) -> AsyncIterator[ModelEvent]:
        while True:
            event = await self.queue.get()
            if event is None:
                return
            if isinstance(event, ProviderError):
                raise event
            yield event

    async def generate_reply(self, instructions: str) -> None:
        self.replies.append(instructions)

    async def send_context(self, message: str) -> None:
        self.contexts.append(message)

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        self.truncated.append((item_id, heard_ms))

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        self.results.append((call_id, name, result))

    async def close(self) -> None:
        self.is_closed = True
        self.queue.put_nowait(None)


class ScriptedModel(RealtimeModel):
    """Returns a new ScriptedSession for every connection, after `gate` is set. `refusals` are raised first, in order."""

    def __init__(self, *refusals: ProviderError | None) -> None:
        self.refusals = list(refusals)
        self.sessions: list[ScriptedSession] = []
        self.gate: asyncio.Event | None = None

    def is_available(self) -> bool:
        return True

    async def connect(self, config: SessionConfig) -> ScriptedSession:
        if self.gate is not None:
            await self.gate.wait()
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        self.sessions.append(ScriptedSession(config))
        return self.sessions[-1]


class Notebook:
    """An observer that records everything reported to it, with times of the clock `now`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.transcripts: list[tuple[str, str, bool]] = []
        self.interruptions: list[tuple[str, int, float]] = []
        self.turns: list[TurnTimes] = []
        self.speech: list[tuple[str, float, float]] = []
        self.spoke_count = 0
        self.tools: list[tuple[str, dict[str, Any]]] = []

    def event(self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming") -> None:
        self.events.append((event_type, dict(metadata or {})))

    def transcript(
        self, role: str, text: str, *, item_id: str = "", interrupted_at_ms: int | None = None, commentary: bool = False
    ) -> None:
        self.transcripts.append((role, text, interrupted_at_ms is not None))

    def interrupted(self, item_id: str, heard_ms: int, share: float) -> None:
        self.interruptions.append((item_id, heard_ms, share))

    def turn(self, times: TurnTimes, seconds_ago: float) -> None:
        self.turns.append(times)

    def spoke(self, role: str, began_ago: float, ended_ago: float) -> None:
        now = self._now()
        self.speech.append((role, now - began_ago, now - ended_ago))

    def model_spoke(self) -> None:
        self.spoke_count += 1

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None:
        self.tools.append((tool, dict(arguments)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]
