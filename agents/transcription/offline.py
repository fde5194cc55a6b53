"""The recognizer of `agents.speech`, used instead of Whisper if no key is configured. English; named in results; not charged."""

import asyncio
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from agents import speech
from agents.speech.frames import Kind
from agents.speech.turn_detector import (
    SHORTEST_VOICE_MS,
    SHORTEST_WORD_MS,
    SPEECH_PROBABILITY,
    SURE_CONFIDENCES,
    WINDOW_BYTES,
    WINDOW_MS,
)
from agents.transcription.base import Segment, Transcriber, TranscriptionError
from bubblyphone.core.audio import Resampler

SAMPLE_RATE = 16_000
# A minute at 8 kHz: seconds of work for a slow machine.
MAX_BYTES = 960_000
# Pauses within a sentence.
LONGEST_PAUSE_MS = 600
# Margin around detected speech, for soft first and last consonants.
MARGIN_MS = 192


class OfflineTranscriber(Transcriber):
    """Each call starts the speech workers and ends them: a job of minutes must not hold their memory for hours."""

    source = "offline:moonshine-tiny-en"
    is_charged = False
    max_bytes = MAX_BYTES

    def transcribe(self, pcm16: bytes, sample_rate: int, language: str) -> list[Segment]:
        if not speech.is_installed():
            raise TranscriptionError("Transcription is not configured on this server.", retryable=False)
        if sample_rate != SAMPLE_RATE:
            pcm16 = Resampler(sample_rate, SAMPLE_RATE).process(pcm16)
        try:
            return asyncio.run(_transcribe(pcm16))
        except speech.SpeechError as error:
            raise TranscriptionError("The offline recognizer failed.", retryable=True) from error


async def _transcribe(pcm16_16k: bytes) -> list[Segment]:
    engine = speech.Speech()
    try:
        whole = pcm16_16k.ljust(-(-len(pcm16_16k) // WINDOW_BYTES) * WINDOW_BYTES, b"\0")
        if not whole:
            return []
        async with aclosing(engine.stt.request(Kind.LISTEN, whole)) as answers:
            probabilities = np.frombuffer(await anext(answers), "<f4")
        found = [await _understand(engine, whole, span, probabilities) for span in utterances(probabilities)]
        return [segment for segment in found if segment is not None]
    finally:
        await engine.close()


def utterances(probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Where someone speaks: (first window, window after the last)."""
    found: list[tuple[int, int]] = []
    for window in np.flatnonzero(probabilities >= SPEECH_PROBABILITY).tolist():
        if found and (window - found[-1][1]) * WINDOW_MS <= LONGEST_PAUSE_MS:
            found[-1] = (found[-1][0], window + 1)
        else:
            found.append((window, window + 1))
    return found


async def _understand(
    engine: speech.Speech, pcm16_16k: bytes, span: tuple[int, int], probabilities: NDArray[np.float32]
) -> Segment | None:
    """The text of that stretch; None if it was no speech."""
    voiced_ms = int((probabilities[slice(*span)] >= SPEECH_PROBABILITY).sum()) * WINDOW_MS
    if voiced_ms < SHORTEST_WORD_MS:
        return None
    margin = MARGIN_MS // WINDOW_MS
    first, end = max(0, span[0] - margin), min(len(probabilities), span[1] + margin)
    said = await engine.transcribe(pcm16_16k[first * WINDOW_BYTES : end * WINDOW_BYTES])
    is_sure = voiced_ms >= SHORTEST_VOICE_MS or said.confidence >= SURE_CONFIDENCES.get(len(said.text.split()), 1.0)
    if not said.text or not is_sure:
        return None
    return Segment(span[0] * WINDOW_MS / 1000, span[1] * WINDOW_MS / 1000, said.text)
