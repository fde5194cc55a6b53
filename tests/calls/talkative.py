"""A caller and a model that talk on their own, from the greeting to the goodbye, and a fault in one of their awaits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.providers.base import ProviderError, RealtimeModel, SessionConfig
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from calls.session.transport import AudioSink, CallerFrame
from tests.calls.scripted import FRAME, ScriptedCaller, ScriptedSession, audio

VOICE = audio(20)
PACE_SECONDS = 0.004
# The time until a lost connection is noticed.
LOST_SECONDS = 0.6


class Gone(Exception):
    """The caller's line or the tool's connection is lost."""


# The system prompt of a call → its fault.
FAULTS: dict[str, "Fault"] = {}


@dataclass
class Fault:
    """A fault at the `at`th await, counted from 1, of this name."""

    kind: str
    name: str = ""
    at: int = 0
    awaits: list[str] = field(default_factory=list)
    run: asyncio.Task[None] | None = None
    sessions: list["TalkativeSession"] = field(default_factory=list)

    @property
    def has_happened(self) -> bool:
        return self.awaits.count(self.name) >= self.at

    async def inject_at(self, name: str) -> None:
        self.awaits.append(name)
        if name != self.name or self.awaits.count(name) != self.at:
            return
        if self.kind == "slow":
            await asyncio.sleep(0.3)
        elif self.kind == "canceled":
            assert self.run is not None
            self.run.cancel()
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(LOST_SECONDS if self.kind == "lost" else 0)
            raise ProviderError("cut", retryable=self.kind != "refused") if name.startswith("model") else Gone


class TalkativeSession(ScriptedSession):
    """Answers the caller. One question leads to a tool call, another to the end of the call."""

    def __init__(self, config: SessionConfig, fault: Fault) -> None:
        super().__init__(config)
        self._fault = fault
        self._loud = self._questions = self._items = 0

    def _answer(self, milliseconds: int) -> None:
        self._items += 1
        item = f"item_{self._items}"
        for event in (AudioDelta(item, audio(milliseconds)), OutputTranscript(item, "Well."), TurnDone()):
            self.queue.put_nowait(event)

    async def send_audio(self, payload: str) -> None:
        # One frame stands for all of them.
        if self._loud == 5 and payload == VOICE:
            await self._fault.inject_at("model.send_audio")
        await super().send_audio(payload)
        if payload == VOICE:
            self._loud += 1
            if self._loud == 8:
                self.queue.put_nowait(SpeechStarted())
        elif self._loud >= 8:
            self._loud = 0
            self._questions += 1
            for event in (SpeechStopped(), InputTranscript("What?")):
                self.queue.put_nowait(event)
            name = "look" if "What?" not in str(self.config.history) and self._questions == 1 else "end_call"
            self.queue.put_nowait(ToolCall(f"call_{self._questions}", name, {}))

    async def generate_reply(self, instructions: str) -> None:
        await self._fault.inject_at("model.generate_reply")
        self._answer(80)

    async def send_context(self, message: str) -> None:
        await self._fault.inject_at("model.send_context")

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        await self._fault.inject_at("model.truncate")

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        await self._fault.inject_at("model.send_tool_result")
        self._answer(2000)

    async def events(self) -> AsyncIterator[Any]:
        async for event in super().events():
            if isinstance(event, TurnDone | ToolCall):
                await self._fault.inject_at("model.events")
            yield event


class TalkativeModel(RealtimeModel):
    """The model in the settings. The system prompt identifies the session's call."""

    answer_seconds = 0.5

    def is_available(self) -> bool:
        return True

    async def connect(self, config: SessionConfig) -> TalkativeSession:
        fault = FAULTS[config.instructions]
        await fault.inject_at("model.connect")
        fault.sessions.append(TalkativeSession(config, fault))
        return fault.sessions[-1]


class PatientCaller(ScriptedCaller):
    """Asks, waits for the answer, and interrupts it with another question, until the line is closed.

    As with a carrier, audio sent over a lost line is dropped without an error, and the frames end. The carrier then reports
    the end of the call, unless the report is lost too.
    """

    is_direct = False

    def __init__(self, fault: Fault, report_end: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.left = asyncio.Event()
        self._fault = fault
        self._report_end = report_end
        self._is_gone = False

    def hand_audio_to(self, sink: AudioSink) -> None:
        """Not used: all audio is read as frames."""

    async def _inject_at(self, name: str) -> None:
        try:
            await self._fault.inject_at(f"line.{name}")
        except Gone:
            self._is_gone = True
            if self._fault.kind != "lost":
                await self._report_end()

    async def frames(self) -> AsyncIterator[CallerFrame]:
        await self._inject_at("frames")
        while not self._is_gone:
            heard = len(self.sent)
            for frame in [VOICE] * 25 + [FRAME] * 2:
                await asyncio.sleep(PACE_SECONDS)
                yield frame
            for _ in range(100):  # until an answer, or for two seconds of the caller's time
                await asyncio.sleep(PACE_SECONDS)
                yield FRAME
                if self._is_gone or len(self.sent) > heard:
                    break

    async def send_audio(self, payload: str) -> None:
        await self._inject_at("send_audio")
        await super().send_audio(payload)

    async def send_mark(self, name: str) -> None:
        await self._inject_at("send_mark")

    async def clear(self) -> None:
        await self._inject_at("clear")
        await super().clear()
