"""Offline speech in English: voice activity, recognition, and synthesis. Needs the `offline` packages, see `is_installed()`.

The models run in two separate processes, started when first needed; nothing here blocks the event loop.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agents.speech.assets import is_installed
from agents.speech.engine import Speech, Transcription, get_speech
from agents.speech.turn_detector import SpeechBegan, TurnDetector, Utterance
from agents.speech.worker import SpeechError

__all__ = [
    "Speech",
    "SpeechBegan",
    "SpeechError",
    "Transcription",
    "TurnDetector",
    "Utterance",
    "close",
    "get_speech",
    "is_installed",
    "say_8k",
    "synthesize",
    "transcribe",
    "warm_up",
]


async def warm_up() -> None:
    """Start the workers and load their models, so that the first caller does not wait. Raises SpeechError."""
    await get_speech().warm_up()


async def synthesize(text: str, sample_rate: int = 16_000) -> AsyncGenerator[bytes, None]:
    """Synthesize speech: PCM16 mono at `sample_rate`, sentence by sentence, faster than real time. Raises SpeechError."""
    async with aclosing(get_speech().synthesize(text, sample_rate)) as pieces:
        async for piece in pieces:
            yield piece


async def say_8k(text: str) -> bytes:
    """All of `text` as speech: PCM16 mono 8 kHz, telephone quality. Raises SpeechError."""
    return b"".join([piece async for piece in synthesize(text, 8_000)])


async def transcribe(pcm16_16k: bytes) -> Transcription:
    """Recognize speech: PCM16 mono 16 kHz, any length. Raises SpeechError."""
    return await get_speech().transcribe(pcm16_16k)


async def close() -> None:
    """End this event loop's workers. They also end with the process."""
    await get_speech().close()
