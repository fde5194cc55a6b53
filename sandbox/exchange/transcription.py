"""`transcription_start`: reports speech on a leg as `call.transcription` during the call."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.speech import SpeechBegan, SpeechError
from bubblyphone.core.audio import Resampler, mulaw_to_pcm16
from sandbox.exchange.audio.recognizer import Recognizer, SpeechListener
from sandbox.exchange.tasks import Tasks

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg

logger = logging.getLogger(__name__)

# Audio from before speech is detected, which contains soft first consonants.
PRE_ROLL_FRAMES = 20
# Between two interim results for an unfinished sentence.
INTERIM_SECONDS = 0.4
# After the end of a call, its last sentence is finished within this time.
LAST_WORDS_SECONDS = 10.0
# Telnyx includes the track only for its own engine.
ENGINES_WITH_TRACK = frozenset({"B", "Telnyx"})


@dataclass(frozen=True, slots=True)
class TranscriptionParams:
    """A command's transcription settings. `tracks`: "inbound" is what the person says, "outbound" what the person hears."""

    tracks: tuple[str, ...] = ("inbound",)
    is_interim: bool = False
    names_track: bool = False

    @classmethod
    def from_command(cls, body: Mapping[str, Any]) -> "TranscriptionParams":
        """Any language is accepted, but the recognizer only understands English."""
        config = body.get("transcription_engine_config") or {}
        tracks = body.get("transcription_tracks") or "inbound"
        return cls(
            tracks=("inbound", "outbound") if tracks == "both" else (tracks,),
            is_interim=bool(config.get("interim_results")),
            names_track=(body.get("transcription_engine") or "Google") in ENGINES_WITH_TRACK,
        )


class Transcription:
    """All transcription on one leg. The leg calls `hear` every 20 ms."""

    def __init__(self, leg: "Leg", params: TranscriptionParams, recognizer: Recognizer, tasks: Tasks) -> None:
        self._tasks = tasks
        self._listeners = {track: _Listener(leg, track, params, recognizer, tasks) for track in params.tracks}

    def hear(self, said: bytes, heard: bytes) -> None:
        """Take 20 ms of PCMU of each track."""
        for track, listener in self._listeners.items():
            listener.hear(said if track == "inbound" else heard)

    async def until_silent(self) -> None:
        """Return when nobody is in the middle of a sentence. Its text, if it has one, was reported."""
        for listener in self._listeners.values():
            await listener.until_silent()

    def stop(self) -> None:
        """Stop immediately: an unfinished sentence is not reported."""
        for listener in self._listeners.values():
            listener.close()

    def finish(self) -> None:
        """The call has ended: the current sentence is still reported."""
        for listener in self._listeners.values():
            self._tasks.start(listener.finish(), "transcription finish")


class _Listener:
    def __init__(
        self, leg: "Leg", track: str, params: TranscriptionParams, recognizer: Recognizer, tasks: Tasks
    ) -> None:
        self._leg = leg
        self._track = track
        self._params = params
        self._recognizer = recognizer
        self._tasks = tasks
        self._ears: SpeechListener = recognizer.listen()
        self._resampler = Resampler(8000, 16000)
        self._before: deque[bytes] = deque(maxlen=PRE_ROLL_FRAMES)
        self._sentence: list[bytes] | None = None
        self._guessing: asyncio.Task[None] | None = None
        self._silent = asyncio.Event()
        self._silent.set()
        self._follower = tasks.start(self._follow(), "transcription")

    def hear(self, frame: bytes) -> None:
        pcm = self._resampler.process(mulaw_to_pcm16(frame))
        self._ears.feed(pcm)
        if self._sentence is not None:
            self._sentence.append(pcm)
        else:
            self._before.append(pcm)

    async def until_silent(self) -> None:
        await self._silent.wait()

    def close(self) -> None:
        self._follower.cancel()

    async def finish(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._silent.wait()
        self.close()

    async def _follow(self) -> None:
        try:
            async for event in self._ears.events():
                if isinstance(event, SpeechBegan):
                    self._silent.clear()
                    self._sentence = list(self._before)
                    self._before.clear()
                    if self._params.is_interim:
                        self._guessing = self._tasks.start(self._guess(), "interim transcription")
                    continue
                self._stop_guessing()
                self._sentence = None
                if event.text:
                    self._report(event.text, event.confidence, is_final=True)
                self._silent.set()
        except SpeechError:
            logger.exception("transcription ended: the recognizer cannot be reached")
            self._silent.set()
        finally:
            self._stop_guessing()
            await self._ears.close()

    async def _guess(self) -> None:
        """Report interim results of the current sentence at intervals."""
        last = ""
        while self._sentence is not None:
            await asyncio.sleep(INTERIM_SECONDS)
            try:
                guess = await self._recognizer.transcribe(b"".join(self._sentence))
            except SpeechError:
                return
            if guess.text and guess.text != last:
                last = guess.text
                self._report(guess.text, guess.confidence, is_final=False)

    def _stop_guessing(self) -> None:
        if self._guessing is not None:
            self._guessing.cancel()
            self._guessing = None

    def _report(self, text: str, confidence: float, *, is_final: bool) -> None:
        data: dict[str, Any] = {"transcript": text, "is_final": is_final, "confidence": round(confidence, 3)}
        if self._params.names_track:
            data["transcription_track"] = self._track
        self._leg.report("call.transcription", parties=False, transcription_data=data)
