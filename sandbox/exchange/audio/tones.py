"""Tones, and the loudness of a frame. Everything is 8 kHz mono."""

import numpy as np

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES, SILENCE

_LOUDNESS = np.abs(np.frombuffer(mulaw_to_pcm16(bytes(range(256))), dtype="<i2").astype(np.int32))
# The mean amplitude above which a frame is speech: about -44 dBFS, well below speech and above line noise.
SPEECH_LEVEL = 200


def tone(frequency_hz: float, seconds: float, amplitude: int = 8000) -> bytes:
    """A sine as PCM16."""
    time = np.arange(int(8000 * seconds)) / 8000
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype("<i2").tobytes()


def melody() -> bytes:
    """Two seconds of notes as PCM16, which test numbers play instead of speech if no TTS is installed."""
    return b"".join(tone(frequency, 0.25) for frequency in (330, 392, 440, 523, 440, 392, 330, 262))


def frames(pcm16: bytes) -> list[bytes]:
    """Split PCM16 into 20 ms frames of PCMU. The last one is padded with silence."""
    coded = pcm16_to_mulaw(pcm16)
    pieces = [coded[start : start + FRAME_BYTES] for start in range(0, len(coded), FRAME_BYTES)]
    if pieces and len(pieces[-1]) < FRAME_BYTES:
        pieces[-1] += SILENCE[len(pieces[-1]) :]
    return pieces


def is_speech(frame: bytes) -> bool:
    """Whether a PCMU frame is loud enough to be someone speaking."""
    if frame == SILENCE:
        return False
    total = int(np.add.reduce(_LOUDNESS.take(np.frombuffer(frame, dtype=np.uint8))))
    return total > SPEECH_LEVEL * len(frame)


def babble(text: str) -> bytes:
    """A hum for each word of a text, about as long as saying it takes, as PCM16. Used if no TTS is installed."""
    words = text.split()
    hums = [tone(180 + 20 * (len(word) % 5), 0.06 * len(word)) + bytes(2 * 8 * 60) for word in words]
    return b"".join(hums)


def _ringback_cycle() -> list[bytes]:
    """Two seconds of 440 + 480 Hz, then four of silence: the North American ringback tone."""
    ringing = np.frombuffer(tone(440, 2.0, 2000), "<i2") + np.frombuffer(tone(480, 2.0, 2000), "<i2")
    return frames(ringing.astype("<i2").tobytes() + bytes(2 * 8000 * 4))


RINGBACK = _ringback_cycle()
