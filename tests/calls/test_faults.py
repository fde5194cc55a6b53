"""Every await of a session is cut once: closed, refused, slow, lost without a word, or cancelled with its task. The call goes
on, or ends as it should.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.providers.base import ProviderError, RealtimeModel, SessionConfig
from agents.providers.events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from bubblyphone.core.audio import PCMU_8K
from calls.session.call_session import CallSession
from calls.session.parts import Limits
from calls.session.transport import CallerFrame
from tests.calls.scripted import FRAME, Notebook, ScriptedCaller, ScriptedSession, audio

VOICE = audio(20)
PACE_SECONDS = 0.004
LONGEST_SECONDS = 12.0
# After so long it is noticed that the other end is gone.
LOST_SECONDS = 0.6


class Gone(Exception):
    """The caller's line, or a tool, is not there any more."""


@dataclass
class Fault:
    """What happens at the `at`th await, counted from 1, of that name."""

    kind: str
    name: str = ""
    at: int = 0
    awaits: list[str] = field(default_factory=list)
    run: asyncio.Task[str] | None = None

    @property
    def has_happened(self) -> bool:
        return self.awaits.count(self.name) >= self.at

    async def pass_by(self, name: str) -> None:
        self.awaits.append(name)
        if name != self.name or self.awaits.count(name) != self.at:
            return
        if self.kind == "slow":
            await asyncio.sleep(0.3)
        elif self.kind == "cancelled":
            assert self.run is not None
            self.run.cancel()
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(LOST_SECONDS if self.kind == "lost" else 0)
            raise ProviderError("cut", retryable=self.kind != "refused") if name.startswith("model") else Gone


class TalkativeSession(ScriptedSession):
    """Answers what it is asked; two questions of the caller's lead to a tool, and to the end of the call."""

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
        # One of the frames stands for all: they differ in nothing.
        if self._loud == 5 and payload == VOICE:
            await self._fault.pass_by("model.send_audio")
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
        await self._fault.pass_by("model.generate_reply")
        self._answer(80)

    async def send_context(self, message: str) -> None:
        await self._fault.pass_by("model.send_context")

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        await self._fault.pass_by("model.truncate")

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        await self._fault.pass_by("model.send_tool_result")
        self._answer(2000)

    async def events(self) -> AsyncIterator[Any]:
        async for event in super().events():
            if isinstance(event, TurnDone | ToolCall):
                await self._fault.pass_by("model.events")
            yield event


class TalkativeModel(RealtimeModel):
    answer_seconds = 0.5

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.sessions: list[TalkativeSession] = []

    def is_available(self) -> bool:
        return True

    async def connect(self, config: SessionConfig) -> TalkativeSession:
        await self._fault.pass_by("model.connect")
        self.sessions.append(TalkativeSession(config, self._fault))
        return self.sessions[-1]


class PatientCaller(ScriptedCaller):
    """Asks, waits for the answer, interrupts it with another question, until the line is closed.

    As a carrier's: what is sent over a line that is gone is lost without an error, and its frames end.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault
        self._is_gone = False

    async def _pass_by(self, name: str) -> None:
        try:
            await self._fault.pass_by(f"line.{name}")
        except Gone:
            self._is_gone = True

    async def frames(self) -> AsyncIterator[CallerFrame]:
        await self._pass_by("frames")
        while not self._is_gone:
            heard = len(self.sent)
            for frame in [VOICE] * 25 + [FRAME] * 2:
                await asyncio.sleep(PACE_SECONDS)
                yield frame
            for _ in range(100):  # an answer, or two seconds of the caller's time without one
                await asyncio.sleep(PACE_SECONDS)
                yield FRAME
                if self._is_gone or len(self.sent) > heard:
                    break

    async def send_audio(self, payload: str) -> None:
        await self._pass_by("send_audio")
        await super().send_audio(payload)

    async def send_mark(self, name: str) -> None:
        await self._pass_by("send_mark")

    async def clear(self) -> None:
        await self._pass_by("clear")
        await super().clear()


async def hold_a_call(fault: Fault) -> tuple[str, Notebook, TalkativeModel]:
    """From the greeting to the model's own goodbye, the fault on the way."""
    model, notes = TalkativeModel(fault), Notebook()

    async def run_tool(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            await fault.pass_by("tool")
        except Gone:
            return {"error": "The tool did not answer."}
        return {"result": "seen"}

    session = CallSession(
        transport=PatientCaller(fault),
        model=model,
        config=SessionConfig(upstream_model="m", instructions="Be brief.", caller_format=PCMU_8K),
        greeting="Greet.",
        limits=Limits(max_duration=LONGEST_SECONDS, silence=LONGEST_SECONDS),
        run_tool=run_tool,
        observer=notes,
    )
    fault.run = asyncio.create_task(session.run())
    await asyncio.wait([fault.run], timeout=LONGEST_SECONDS + 3)
    assert fault.run.done(), (fault.kind, fault.name, fault.at, fault.awaits)
    (result,) = await asyncio.gather(fault.run, return_exceptions=True)
    return ("cancelled" if isinstance(result, asyncio.CancelledError) else str(result)), notes, model


async def test_the_call_that_is_cut_goes_well_by_itself() -> None:
    fault = Fault("none")
    cause, notes, model = await hold_a_call(fault)
    assert cause == "normal_clearing"
    assert {"model.truncate", "line.clear", "tool", "model.send_tool_result", "line.send_mark"} <= set(fault.awaits)
    assert [len(model.sessions), notes.tools[0][0], notes.tools[-1][0]] == [1, "look", "end_call"]
    assert "dead_air" not in notes.names()


@pytest.mark.parametrize("kind", ["closed", "refused", "slow", "lost", "cancelled"])
async def test_each_await_is_cut_once(kind: str) -> None:
    undisturbed = Fault("none")
    await hold_a_call(undisturbed)
    times = Counter(undisturbed.awaits)
    faults = [Fault(kind, name, at) for name in times for at in range(1, times[name] + 1)]
    outcomes = await asyncio.gather(*(hold_a_call(fault) for fault in faults))
    for fault, (cause, notes, model) in zip(faults, outcomes, strict=True):
        where = (fault.kind, fault.name, fault.at, notes.events)
        # Not every call has as many awaits of a name as the undisturbed one, but each has the first.
        assert fault.has_happened or fault.at > 1, where
        if fault.has_happened:
            assert cause in expected_ends(kind, fault.name), where
            assert all(session.is_closed for session in model.sessions), where
            assert notes.names()[-1] == "stream.disconnected", where


def expected_ends(kind: str, name: str) -> set[str]:
    """Why a call may end whose await of that name was cut."""
    if kind == "cancelled":
        return {"cancelled"}
    if kind != "slow" and name.startswith("line"):
        return {"", "normal_clearing"}  # the caller is gone, or was about to be
    if kind == "refused" or (kind in {"closed", "lost"} and name == "model.connect"):
        # A model that is there no more, or will not be again, ends the call; whatever can be mended is.
        return {"normal_clearing", "model_failed"} if name.startswith("model") else {"normal_clearing"}
    return {"normal_clearing"}
