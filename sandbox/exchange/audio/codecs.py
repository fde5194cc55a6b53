"""Converts between the line's audio (20 ms frames of PCMU) and the codecs of media streams."""

from collections.abc import Callable

from bubblyphone.core import audio

Converter = Callable[[bytes], bytes]

_ALL_CODES = bytes(range(256))
_PCMU_TO_PCMA = audio.pcm16_to_alaw(audio.mulaw_to_pcm16(_ALL_CODES))
_PCMA_TO_PCMU = audio.pcm16_to_mulaw(audio.alaw_to_pcm16(_ALL_CODES))


def line_codec(number: str) -> str:
    """The codec of a phone line: µ-law in North America (+1), A-law elsewhere."""
    return "PCMU" if number.startswith("+1") else "PCMA"


def _unchanged(data: bytes) -> bytes:
    return data


def bytes_per_frame(codec: str, sample_rate: int) -> int:
    """The size of 20 ms of audio."""
    return sample_rate // 50 * (2 if codec == "L16" else 1)


def encoder(codec: str, sample_rate: int) -> Converter:
    """From PCMU to the stream's codec. It has filter state, so each stream needs its own encoder."""
    if codec == "PCMU":
        return _unchanged
    if codec == "PCMA":
        return lambda frame: frame.translate(_PCMU_TO_PCMA)
    if sample_rate == 8000:
        return audio.mulaw_to_pcm16
    resampler = audio.Resampler(8000, sample_rate)
    return lambda frame: resampler.process(audio.mulaw_to_pcm16(frame))


def decoder(codec: str, sample_rate: int) -> Converter:
    """From the platform's codec to PCMU. L16 is little-endian, as in Telnyx's real streams."""
    if codec == "PCMU":
        return _unchanged
    if codec == "PCMA":
        return lambda data: data.translate(_PCMA_TO_PCMU)
    if sample_rate == 8000:
        return audio.pcm16_to_mulaw
    resampler = audio.Resampler(sample_rate, 8000)
    return lambda data: audio.pcm16_to_mulaw(resampler.process(data))
