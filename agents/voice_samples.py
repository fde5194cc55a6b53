"""How voices sound before there is a call. Only the offline voice can be heard so: vendors' realtime models speak in sessions alone."""

import asyncio
import io
import wave

from agents import speech
from bubblyphone.core.errors import NotFound

TEXT = "Hello. This is how I sound on the phone. How can I help you today?"
RATE = 16_000
TIMEOUT_SECONDS = 30  # the speech worker may have to start
_samples: dict[str, bytes] = {}  # rendered once in each process


async def offline_sample() -> bytes:
    """A WAV file, 16 kHz mono, of the offline voice. Raises NotFound where offline speech is not installed, and SpeechError."""
    if not speech.is_installed():
        raise NotFound("Offline speech is not installed on this server.")
    if TEXT not in _samples:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _samples[TEXT] = as_wav(b"".join([piece async for piece in speech.synthesize(TEXT, RATE)]))
    return _samples[TEXT]


def as_wav(pcm: bytes) -> bytes:
    """PCM16 mono at RATE as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()
