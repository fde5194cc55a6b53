"""Speech recognition of the exchange, for `transcription_start`."""

from collections.abc import AsyncIterator
from typing import Protocol

from agents import speech


class SpeechListener(Protocol):
    """Reports when someone starts to speak, and what was said. `feed` does not block."""

    def feed(self, pcm16_16k: bytes) -> None: ...
    def events(self) -> AsyncIterator[speech.SpeechBegan | speech.Utterance]: ...
    async def close(self) -> None: ...


class Recognizer(Protocol):
    """Speech to text. Both methods raise SpeechError, or their iterators do."""

    def listen(self) -> SpeechListener: ...
    async def transcribe(self, pcm16_16k: bytes) -> speech.Transcription: ...


class OfflineRecognizer:
    """English only, in the worker processes of `agents.speech`. Requires the `offline` packages."""

    def listen(self) -> SpeechListener:
        return speech.TurnDetector(speech.get_speech())

    async def transcribe(self, pcm16_16k: bytes) -> speech.Transcription:
        return await speech.transcribe(pcm16_16k)
