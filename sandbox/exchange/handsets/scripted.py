"""A handset that follows a script: for tests, `manage.py dial`, and the test numbers.

Its times follow the line's clock: `at_seconds` of an event, and positions in its recording, count the 20 ms frames since
the answer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, Protocol

from agents.speech import SpeechError
from bubblyphone.core.audio import mulaw_to_pcm16
from sandbox.exchange.audio.audio_queue import FRAME_SECONDS, SILENCE
from sandbox.exchange.audio.mixing import stereo_wav
from sandbox.exchange.audio.tones import frames, is_speech
from sandbox.exchange.audio.tts import Tts
from sandbox.exchange.handsets.handset import Handset, Line
from sandbox.exchange.tasks import Tasks

logger = logging.getLogger(__name__)

Ring = Literal["answer", "busy", "decline", "ignore"]


class CallOver(Exception):
    """The call ended while the script was waiting."""


class Step(Protocol):
    """One action after the call was answered. Raises CallOver or TimeoutError."""

    async def perform(self, phone: "ScriptedHandset") -> None: ...


@dataclass(frozen=True, slots=True)
class HandsetEvent:
    """An event of a call. `kind`: waiting, ringing, answered, says, hears, dtmf, ended …"""

    at_seconds: float
    kind: str
    detail: str = ""


@dataclass(eq=False)
class ScriptedHandset(Handset):
    """Dials or is called, carries out its steps in order, and stays on the line until one party hangs up.

    `on_ring` says what it does after ringing for `ring_seconds`. Only steps that speak text need `tts`.
    """

    steps: Sequence[Step] = ()
    _: KW_ONLY
    tasks: Tasks
    on_ring: Ring = "answer"
    ring_seconds: float = 0.1
    tts: Tts | None = None
    on_event: Callable[[HandsetEvent], None] | None = None
    events: list[HandsetEvent] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    digits: str = ""
    cause: str = ""
    error: BaseException | None = None
    silent_frames: int = 0
    speech_frames: int = 0
    has_heard_speech: bool = False
    _voices: dict[str, bytes] = field(default_factory=dict)
    _to_say: list[bytes] = field(default_factory=list)
    _waiting: tuple[Callable[[], bool], asyncio.Future[None]] | None = None
    _script: asyncio.Task[None] | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    # --- for the user -------------------------------------------------------------------------------------------------

    async def finished(self, timeout_seconds: float = 60.0) -> str:
        """Wait for the end of the call, and return its hangup_cause. Raises the script's error, and TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            await self._over.wait()
        if self.error is not None:
            raise self.error
        return self.cause

    def hang_up(self) -> None:
        """Hang up, if there is a call."""
        if self.line is not None:
            self.line.put_down()

    async def prepare(self) -> None:
        """Generate the audio of all texts of the script, so that steps do not wait for it during the call."""
        for step in self.steps:
            text = getattr(step, "text", "")
            if text:
                await self.voice(text)

    async def voice(self, text: str) -> bytes:
        """A text as 8 kHz PCM16. Raises RuntimeError without `tts`."""
        if text not in self._voices:
            if self.tts is None:
                raise RuntimeError("No voice is installed to speak text. Send audio instead.")
            self._voices[text] = await self.tts(text)
        return self._voices[text]

    @property
    def at_seconds(self) -> float:
        """Time since the answer, on the line's clock."""
        return len(self.heard) * FRAME_SECONDS

    def recording(self) -> bytes:
        """A stereo WAV, 8 kHz, 16 bit, from the answer to the end: this handset left, what it heard right."""
        said, heard = b"".join(self.said), b"".join(self.heard)
        length = min(len(said), len(heard))
        return stereo_wav(said[:length], heard[:length])

    def heard_pcm16(self) -> bytes:
        """All audio heard since the answer, as 8 kHz PCM16."""
        return mulaw_to_pcm16(b"".join(self.heard))

    # --- for steps ----------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], timeout_seconds: float | None = None) -> None:
        """Wait until a condition is true at the end of a frame. Raises CallOver, and TimeoutError after `timeout_seconds`."""
        if self._over.is_set():
            raise CallOver
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = (condition, future)
        try:
            async with asyncio.timeout(timeout_seconds):
                await future
        finally:
            self._waiting = None

    async def speak(self, pcm16: bytes) -> None:
        """Play 8 kHz PCM16 to its end. Speech heard until then does not count as an answer."""
        self._to_say.extend(frames(pcm16))
        await self.until(lambda: not self._to_say)
        self.has_heard_speech = False

    def note(self, kind: str, detail: str = "") -> None:
        """Add an event."""
        event = HandsetEvent(round(self.at_seconds, 3), kind, detail)
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    # --- the phone ----------------------------------------------------------------------------------------------------

    def on_ringing(self, line: Line, *, inbound: bool) -> None:
        self._over.clear()
        self.note("ringing", line.from_number if inbound else line.to_number)
        if inbound and self.on_ring != "ignore":
            if self.on_ring == "answer" and self._first_words:
                self.tasks.start(self._pick_up(line), "handset pick-up")
                return
            actions = {"answer": line.pick_up, "busy": lambda: line.decline(busy=True), "decline": line.decline}
            asyncio.get_running_loop().call_later(self.ring_seconds, actions[self.on_ring])

    @property
    def _first_words(self) -> str:
        return next(filter(None, (getattr(step, "text", "") for step in self.steps)), "")

    async def _pick_up(self, line: Line) -> None:
        """Answer when the first words are ready, so that the caller does not wait in silence for the TTS."""
        ready_at = asyncio.get_running_loop().time() + self.ring_seconds
        voice = asyncio.ensure_future(self.voice(self._first_words))
        await asyncio.wait([voice])
        voice.exception()  # the script raises it again, during the call
        await asyncio.sleep(ready_at - asyncio.get_running_loop().time())
        line.pick_up()

    def on_answered(self) -> None:
        self.note("answered")
        self._script = self.tasks.start(self._run_script(), "handset script")

    async def _run_script(self) -> None:
        try:
            for step in self.steps:
                await step.perform(self)
        except CallOver:
            pass
        except (TimeoutError, RuntimeError, SpeechError) as error:
            logger.info("handset script ended: %s", error)
            self.error = error
            self.note("failed", str(error) or type(error).__name__)
            self.hang_up()

    def next_frame(self) -> bytes | None:
        frame = self._to_say.pop(0) if self._to_say else None
        self.said.append(frame or SILENCE)
        return frame

    def play(self, frame: bytes) -> None:
        self.heard.append(frame)
        if is_speech(frame):
            # Loud frames with short gaps are one utterance. 25 silent frames end it.
            if self.speech_frames == 0:
                self.note("hears")
            self.speech_frames += 1
            self.silent_frames = 0
            self.has_heard_speech = True
        else:
            self.silent_frames += 1
            if self.silent_frames == 25:
                self.speech_frames = 0
        if self._waiting is not None and not self._waiting[1].done() and self._waiting[0]():
            self._waiting[1].set_result(None)

    def on_dtmf(self, digit: str) -> None:
        self.digits += digit
        self.note("dtmf", digit)

    def on_ended(self, cause: str) -> None:
        self.cause = cause
        self.note("ended", cause)
        self._over.set()
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(CallOver())
