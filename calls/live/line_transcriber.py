"""Transcribes speech while a person has taken over a call: offline speech recognition, if installed (English)."""

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Callable

from agents import speech
from agents.speech import SpeechError, TurnDetector, Utterance
from bubblyphone.core.audio import PCM16_16K, AudioFormat, make_transcoder
from calls.session.take_over import LineTranscriber

logger = logging.getLogger(__name__)
# This much silence ends an utterance.
END_OF_INPUT_MS = 1200


def make_line_transcriber(audio_format: AudioFormat, said: Callable[[str], None]) -> LineTranscriber | None:
    """A transcriber for one side of a line (calls.session.take_over.MakeLineTranscriber)."""
    return OfflineLineTranscriber(audio_format, said) if speech.is_installed() else None


class OfflineLineTranscriber:
    """One side's words, sentence by sentence. Speech that cannot be recognized is missing."""

    def __init__(self, audio_format: AudioFormat, said: Callable[[str], None]) -> None:
        self._transcode = make_transcoder(audio_format, PCM16_16K)
        self._said = said
        self._detector = TurnDetector(speech.get_speech())
        self._task = asyncio.create_task(self._write())

    def take(self, payload: str) -> None:
        with contextlib.suppress(binascii.Error):
            self._detector.feed(base64.b64decode(self._transcode(payload) if self._transcode else payload))

    async def close(self, within_seconds: float) -> None:
        self._detector.feed(bytes(END_OF_INPUT_MS * PCM16_16K.bytes_per_ms))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._detector.is_busy and not self._task.done():  # noqa: ASYNC110  its events say what was said, not that nothing was
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0)  # the last of them is being read
        self._task.cancel()
        await self._detector.close()

    async def _write(self) -> None:
        try:
            async for event in self._detector.events():
                if isinstance(event, Utterance) and event.text:
                    self._said(event.text)
        except SpeechError:
            logger.warning("Cannot transcribe a call that a person has taken over")
