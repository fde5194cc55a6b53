"""DTMF keys as audio, for carriers that have no other way.

Frequencies: ITU-T Q.23. Lengths: ITU-T Q.24 requires at least 40 ms each of tone and pause; 100 ms is enough for most machines.
"""

import base64

import numpy as np

from bubblyphone.core.audio import PCM16_8K, AudioFormat, make_transcoder

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
TONE_SECONDS = PAUSE_SECONDS = 0.1
WAITS = {"w": 0.5, "W": 1.0}  # seconds of silence
LOUDNESS = 0.3  # of full scale, per tone


def key_tones(digits: str, audio_format: AudioFormat) -> str:
    """The keys as one payload. `digits`: 0-9, A-D, *, #, and w or W for a pause. Raises ValueError."""
    rate = PCM16_8K.sample_rate
    samples = [np.zeros(int(WAITS[key] * rate)) if key in WAITS else _tone(key, rate) for key in digits]
    pcm = (np.concatenate(samples) * 32767).astype("<i2").tobytes()
    payload = base64.b64encode(pcm).decode()
    transcode = make_transcoder(PCM16_8K, audio_format)
    return transcode(payload) if transcode else payload


def _tone(key: str, rate: int) -> np.ndarray:
    row = next((place for place, keys in enumerate(KEYS) if key in keys), None)
    if row is None:
        raise ValueError(f"{key} is not a key.")
    moments = np.arange(int(TONE_SECONDS * rate)) / rate
    both = sum(np.sin(2 * np.pi * hertz * moments) for hertz in (ROWS[row], COLUMNS[KEYS[row].index(key)]))
    return np.concatenate([both * LOUDNESS, np.zeros(int(PAUSE_SECONDS * rate))])
