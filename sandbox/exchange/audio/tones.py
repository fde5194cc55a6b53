"""Tones of the line, and the loudness of a frame. 8 kHz mono throughout."""

import numpy as np

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES, SILENCE

_LOUDNESS = np.abs(np.frombuffer(mulaw_to_pcm16(bytes(range(256))), dtype="<i2").astype(np.int32))
# Mean amplitude of a frame above which somebody speaks: about -44 dBFS, well under speech, above a line's hiss.
SPEECH_LEVEL = 200


def tone(frequency_hz: float, seconds: float, amplitude: int = 8000) -> bytes:
    """A sine as PCM16."""
    time = np.arange(int(8000 * seconds)) / 8000
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype("<i2").tobytes()


def melody() -> bytes:
    """Two seconds of rising notes as PCM16, for test numbers that should talk where no voice is installed."""
    return b"".join(tone(frequency, 0.25) for frequency in (330, 392, 440, 523, 440, 392, 330, 262))


def frames(pcm16: bytes) -> list[bytes]:
    """PCM16 cut into 20 ms frames of PCMU, the last one filled up with silence."""
    coded = pcm16_to_mulaw(pcm16)
    pieces = [coded[start : start + FRAME_BYTES] for start in range(0, len(coded), FRAME_BYTES)]
    if pieces and len(pieces[-1]) < FRAME_BYTES:
        pieces[-1] += SILENCE[len(pieces[-1]) :]
    return pieces


def is_speech(frame: bytes) -> bool:
    """Whether a PCMU frame is loud enough to be somebody speaking."""
    if frame == SILENCE:
        return False
    total = int(np.add.reduce(_LOUDNESS.take(np.frombuffer(frame, dtype=np.uint8))))
    return total > SPEECH_LEVEL * len(frame)


def babble(text: str) -> bytes:
    """A hum for each word of a text, about as long as saying it takes: PCM16, for where no voice is installed."""
    words = text.split()
    hums = [tone(180 + 20 * (len(word) % 5), 0.06 * len(word)) + bytes(2 * 8 * 60) for word in words]
    return b"".join(hums)


def _ringback_cycle() -> list[bytes]:
    """Two seconds of 440 + 480 Hz, four of silence: what a caller in North America hears while it rings."""
    ringing = np.frombuffer(tone(440, 2.0, 2000), "<i2") + np.frombuffer(tone(480, 2.0, 2000), "<i2")
    return frames(ringing.astype("<i2").tobytes() + bytes(2 * 8000 * 4))


RINGBACK = _ringback_cycle()
