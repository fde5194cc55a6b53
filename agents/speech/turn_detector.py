"""Turn detection: from a caller's audio to "speech began" and "this was said".

The recognition worker classifies windows of 32 ms; this state machine counts them. A sentence is already transcribed during
the pause that ends it, so recognition adds no delay.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from agents.speech.engine import Speech, Transcription
from agents.speech.frames import Kind
from agents.speech.worker import SpeechError

logger = logging.getLogger(__name__)

WINDOW_BYTES = 1024  # 512 samples of PCM16
WINDOW_MS = 32
SPEECH_PROBABILITY = 0.5
# Between this and the speech threshold, a window continues the previous state: voices fade, rooms hum.
SILENCE_PROBABILITY = 0.35

BEGIN_MS = 96
PRE_ROLL_MS = 320  # audio kept from before the start, for soft first consonants
TRANSCRIBE_AFTER_MS = 224  # of silence
END_MS = 448  # the detector lags the audio by about 60 ms: half a second in total
PATIENT_END_MS = 900  # for numbers or names in groups, or if the sentence cannot end there
LONGEST_UTTERANCE_MS = 60_000
# Less voice than this is a click or a breath, unless the recognizer is fairly sure of a few words ("no", "two", "not yet"). From a
# noise it makes either a guess of far less confidence or a longer sentence.
SHORTEST_VOICE_MS = 400
SHORTEST_WORD_MS = 130
SURE_CONFIDENCES = {1: 0.4, 2: 0.5, 3: 0.65}

# No audio for this long in the middle of speech (a muted or vanished sender) is silence too.
GAP_SECONDS = 0.3
RESTARTS = 5

UNFINISHED = re.compile(
    r"\b(?:and|or|but|for|my|the|a|an|to|at|on|of|with|is|are|in|from|by|because|um|uh|er|your|our|this)[.,…-]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """How much voice counts as speech. `barge_in_ms` applies while the agent speaks: a cough, a "mhm" or its own echo must not
    interrupt it.
    """

    probability: float
    barge_in_ms: int


THRESHOLDS = {"low": Threshold(0.65, 450), "medium": Threshold(SPEECH_PROBABILITY, 250), "high": Threshold(0.4, 128)}
LONGEST_BARGE_IN_MS = max(each.barge_in_ms for each in THRESHOLDS.values())


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The caller has started to speak."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """The speech has ended. `text` is empty if it was no speech, or could not be recognized."""

    text: str
    confidence: float
    voiced_ms: int


class TurnDetector:
    """Detects the turns of one caller. `feed` it audio and read `events()`; `is_agent_speaking` and `is_patient` tell it what
    to expect.
    """

    def __init__(
        self, speech: Speech, is_agent_speaking: Callable[[], bool] = lambda: False, sensitivity: str = "medium"
    ) -> None:
        self._threshold = THRESHOLDS[sensitivity]
        self._speech = speech
        self._is_agent_speaking = is_agent_speaking
        self.is_patient = False
        self._events: asyncio.Queue[SpeechBegan | Utterance | SpeechError] = asyncio.Queue()
        self._arrived = asyncio.Event()
        self._pending = bytearray()
        self._posted: deque[bytes] = deque()
        self._must_repost = False
        self._stream_id = speech.stt.new_id()
        self._before: deque[bytes] = deque(maxlen=(PRE_ROLL_MS + LONGEST_BARGE_IN_MS) // WINDOW_MS)
        self._loud_run_ms = 0
        self._reset()
        speech.stt.attach(self._stream_id, self._on_frame)
        self._poster = asyncio.create_task(self._post_windows())

    def _reset(self) -> None:
        self._utterance: bytearray | None = None
        self._voiced_ms = self._silence_ms = 0
        self._guess: asyncio.Task[Transcription] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is unprocessed audio, or an unfinished utterance."""
        return self._utterance is not None or bool(self._posted) or len(self._pending) >= WINDOW_BYTES

    def feed(self, pcm16_16k: bytes) -> None:
        """Process audio of any length as it arrives. Never blocks."""
        self._pending += pcm16_16k
        if len(self._pending) >= WINDOW_BYTES:
            self._arrived.set()

    async def events(self) -> AsyncIterator[SpeechBegan | Utterance]:
        """SpeechBegan and Utterance, alternating, without end.

        Raises SpeechError if the worker cannot be restarted.
        """
        while True:
            event = await self._events.get()
            if isinstance(event, SpeechError):
                raise event
            yield event

    async def close(self) -> None:
        """Stop listening. Can be called twice."""
        self._poster.cancel()
        self._drop_guess()
        self._speech.stt.detach(self._stream_id)
        try:
            self._speech.stt.post(Kind.FORGET, self._stream_id)
        except SpeechError:
            logger.debug("The speech recognition process has already ended")

    async def _post_windows(self) -> None:
        """Send whole windows to the worker, and start or restart it if necessary."""
        failures = 0
        while failures < RESTARTS:
            try:
                await self._wait_for_sound()
                await self._speech.stt.start()
                if self._must_repost:
                    self._must_repost = False
                    self._speech.stt.post(Kind.LISTEN, self._stream_id, b"".join(self._posted))
                whole = len(self._pending) // WINDOW_BYTES * WINDOW_BYTES
                if whole:
                    sound = bytes(self._pending[:whole])
                    self._speech.stt.post(Kind.LISTEN, self._stream_id, sound)
                    self._posted.extend(sound[i : i + WINDOW_BYTES] for i in range(0, whole, WINDOW_BYTES))
                    del self._pending[:whole]
                failures = 0 if not self._must_repost else failures + 1
            except (SpeechError, OSError) as exc:
                failures += 1
                logger.warning("The speech recognition process could not be reached", extra={"error": repr(exc)})
                self._must_repost = bool(self._posted)
                await asyncio.sleep(0.2 * failures)
        self._events.put_nowait(SpeechError("The speech recognition process keeps crashing."))

    async def _wait_for_sound(self) -> None:
        self._arrived.clear()
        if len(self._pending) >= WINDOW_BYTES or self._must_repost:
            return
        try:
            await asyncio.wait_for(self._arrived.wait(), GAP_SECONDS if self._utterance is not None else None)
        except TimeoutError:
            self._pending += bytes(WINDOW_BYTES * round(GAP_SECONDS * 1000 / WINDOW_MS))

    def _on_frame(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.FAILED:
            self._must_repost = True
            self._arrived.set()
            return
        for probability in np.frombuffer(body, "<f4").tolist():
            if self._posted:
                self._judge(self._posted.popleft(), probability)

    def _judge(self, window: bytes, probability: float) -> None:
        if self._utterance is None:
            self._await_beginning(window, probability)
        else:
            self._await_end(window, probability)

    def _await_beginning(self, window: bytes, probability: float) -> None:
        self._before.append(window)
        loud = probability >= self._threshold.probability
        self._loud_run_ms = max(0, self._loud_run_ms + (WINDOW_MS if loud else -2 * WINDOW_MS))
        if self._loud_run_ms >= (self._threshold.barge_in_ms if self._is_agent_speaking() else BEGIN_MS):
            self._utterance = bytearray().join(self._before)
            self._voiced_ms, self._silence_ms = self._loud_run_ms, 0
            self._loud_run_ms = 0
            self._before.clear()
            self._events.put_nowait(SpeechBegan())
            self._arrived.set()  # from now on a gap in the audio counts

    def _await_end(self, window: bytes, probability: float) -> None:
        assert self._utterance is not None
        self._utterance += window
        if probability >= self._threshold.probability:
            self._voiced_ms += WINDOW_MS
            self._silence_ms = 0
            self._drop_guess()
        elif probability < SILENCE_PROBABILITY or self._silence_ms:
            self._silence_ms += WINDOW_MS
        is_too_long = len(self._utterance) // WINDOW_BYTES * WINDOW_MS >= LONGEST_UTTERANCE_MS
        if self._guess is None:
            if self._silence_ms >= TRANSCRIBE_AFTER_MS or is_too_long:
                self._guess = asyncio.create_task(self._transcribe(bytes(self._utterance), self._voiced_ms))
        elif self._guess.done() and (is_too_long or self._silence_ms >= self._end_ms(self._guess.result().text)):
            self._finish(self._guess.result())

    def _end_ms(self, text: str) -> int:
        return PATIENT_END_MS if self.is_patient or UNFINISHED.search(text) else END_MS

    def _finish(self, said: Transcription) -> None:
        self._events.put_nowait(Utterance(said.text, said.confidence, self._voiced_ms))
        self._reset()

    async def _transcribe(self, pcm: bytes, voiced_ms: int) -> Transcription:
        """The recognized text; None if it was too short to be speech or the recognizer failed."""
        nothing = Transcription("", 0.0)
        if voiced_ms < SHORTEST_WORD_MS:
            return nothing
        try:
            said = await self._speech.transcribe(pcm)
        except SpeechError:
            logger.warning("Transcribing an utterance failed")
            return nothing
        if voiced_ms >= SHORTEST_VOICE_MS or said.confidence >= SURE_CONFIDENCES.get(len(said.text.split()), 1.0):
            return said
        return nothing

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.cancel()
            self._guess = None
