"""DTMF tones: the two frequencies of each key, and their durations."""

import base64

import numpy as np
import pytest

from bubblyphone.core.audio import PCMU_8K, mulaw_to_pcm16
from calls.session.keys import key_tones


def loudest(pcm: bytes) -> list[int]:
    """The two loudest frequencies, rounded to 10 Hz."""
    samples = np.frombuffer(pcm, "<i2")
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    frequencies = np.fft.rfftfreq(len(samples), 1 / 8000)
    low, high = frequencies < 1075, frequencies >= 1075
    return [round(float(frequencies[part][strength[part].argmax()]), -1) for part in (low, high)]


@pytest.mark.parametrize(("key", "expected"), [("1", [700, 1210]), ("#", [940, 1480]), ("D", [940, 1630])])
def test_a_key_has_two_tones(key: str, expected: list[int]) -> None:
    audio = base64.b64decode(key_tones(key, PCMU_8K))
    assert len(audio) == 1600
    assert loudest(mulaw_to_pcm16(audio[:800])) == expected


def test_pauses_are_silent() -> None:
    audio = mulaw_to_pcm16(base64.b64decode(key_tones("1wW2", PCMU_8K)))
    assert len(audio) == 2 * (1600 + 4000 + 8000 + 1600)
    assert np.abs(np.frombuffer(audio, "<i2")[1600:13600]).max() < 10


def test_an_invalid_key_is_refused() -> None:
    with pytest.raises(ValueError, match="not a key"):
        key_tones("x", PCMU_8K)
