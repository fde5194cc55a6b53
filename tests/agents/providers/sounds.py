"""Caller and model audio for the sessions under test."""

from base64 import b64encode

import numpy as np

from bubblyphone.core.audio import pcm16_to_mulaw


def tone(rate: int, milliseconds: int, amplitude: float = 8000) -> bytes:
    """A 440 Hz tone, PCM16."""
    times = np.arange(rate * milliseconds // 1000) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.int16).tobytes()


def mulaw_frames(milliseconds: int, *, loud: bool) -> list[str]:
    """20 ms PCMU payloads of speech-like sound or silence."""
    coded = pcm16_to_mulaw(tone(8000, milliseconds, 8000 if loud else 0))
    return [b64encode(coded[start : start + 160]).decode() for start in range(0, len(coded), 160)]


def pcm_frames(milliseconds: int, *, loud: bool) -> list[str]:
    """20 ms PCM16 16 kHz payloads of speech-like sound or silence."""
    pcm = tone(16000, milliseconds, 8000 if loud else 0)
    return [b64encode(pcm[start : start + 640]).decode() for start in range(0, len(pcm), 640)]
