"""Audio of calls: formats, G.711, resampling, converters of base64 payloads between them, and WAV files. numpy only, no I/O.

PCM16 is signed 16-bit little-endian, mono, everywhere. Converters keep state: one for each stream and direction.
"""

import io
import math
import sys
import wave
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from pybase64 import b64decode, b64encode_as_string

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

Samples = npt.NDArray[np.int16]

# Samples are used in the machine's own byte order, tables are indexed by it. All platforms we run on are little-endian.
if sys.byteorder != "little":
    raise ImportError("bubblyphone.core.audio needs a little-endian machine")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A mono codec at a rate. `pcm16` is signed 16-bit little-endian; `pcmu`/`pcma` are G.711 µ-law/A-law, 8 kHz."""

    encoding: Literal["pcmu", "pcma", "pcm16"]
    sample_rate: int

    bytes_per_ms: int = field(init=False, compare=False, repr=False)  # asked for with each frame

    def __post_init__(self) -> None:
        size = self.sample_rate // 1000 * (2 if self.encoding == "pcm16" else 1)
        object.__setattr__(self, "bytes_per_ms", size)  # the class is frozen


PCMU_8K = AudioFormat("pcmu", 8000)
PCMA_8K = AudioFormat("pcma", 8000)
PCM16_8K = AudioFormat("pcm16", 8000)
PCM16_16K = AudioFormat("pcm16", 16000)
PCM16_24K = AudioFormat("pcm16", 24000)


def payload_ms(payload: str, audio_format: AudioFormat) -> float:
    """Length in milliseconds of a base64 payload, from its length alone."""
    size = len(payload) * 3 // 4
    if payload[-1:] == "=":  # asked for with each frame, and quicker than `endswith`
        size -= 2 if payload[-2:] == "==" else 1
    return size / audio_format.bytes_per_ms


def decode_payload(payload: str) -> bytes:
    """The bytes of a payload. Raises ValueError for what even `binascii` makes nothing of."""
    try:
        return b64decode(payload, None, True)
    except ValueError:  # not quite base64: what is foreign in it is left out
        return a2b_base64(payload)


def is_payload(text: object) -> bool:
    """Whether this is text of the base64 alphabet alone: safe to paste into JSON, whatever sent it."""
    return isinstance(text, str) and text.isascii() and is_base64(text.encode("ascii"))


def is_base64(data: bytes) -> bool:
    """The same of bytes."""
    return not data.translate(None, _BASE64_ALPHABET)


def mulaw_to_pcm16(payload: bytes) -> bytes:
    """Decode G.711 µ-law (1 byte a sample) to PCM16 (2 bytes a sample). ITU-T G.711."""
    return _MULAW_DECODED.take(np.frombuffer(payload, np.uint8)).tobytes()


def alaw_to_pcm16(payload: bytes) -> bytes:
    """Decode G.711 A-law (1 byte a sample) to PCM16 (2 bytes a sample). ITU-T G.711."""
    return _ALAW_DECODED.take(np.frombuffer(payload, np.uint8)).tobytes()


def pcm16_to_mulaw(pcm: bytes) -> bytes:
    """Encode PCM16 (an even number of bytes) to G.711 µ-law, 1 byte a sample."""
    return _MULAW_ENCODED.take(np.frombuffer(pcm, np.uint16)).tobytes()


def pcm16_to_alaw(pcm: bytes) -> bytes:
    """Encode PCM16 (an even number of bytes) to G.711 A-law, 1 byte a sample."""
    return _ALAW_ENCODED.take(np.frombuffer(pcm, np.uint16)).tobytes()


# From each encoding to PCM16.
DECODERS: dict[str, Callable[[bytes], bytes]] = {"pcmu": mulaw_to_pcm16, "pcma": alaw_to_pcm16, "pcm16": bytes}


class Resampler:
    """Changes the rate of one PCM16 stream, piece by piece, without a seam between the pieces.

    A Kaiser-windowed sinc, evaluated as one small matrix product: a block of whole input samples (1 ms where both rates
    are whole kHz) times a constant matrix gives a block of whole output samples. Delay 20 samples of the lower rate
    (2.5 ms at 8 kHz); flat to 0.85 and more than 80 dB down from 1.15 of the lower rate's half.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        blocks_per_second = math.gcd(source_rate, target_rate, 1000)
        self._block = source_rate // blocks_per_second
        self._matrix = _shared_filter(source_rate, target_rate, self._block, target_rate // blocks_per_second)
        self._span = self._matrix.shape[0]
        # As much silence as a block looks back on, so that n blocks in are n blocks out from the first piece on.
        self._pending = np.zeros(self._span - self._block, np.float32)
        self._odd = b""

    def process(self, pcm: Samples | bytes) -> bytes:
        """Take the next piece of any length, give the PCM16 that is complete by now (possibly none).

        A half sample at the end of `bytes` is kept for the next piece. Overshoot is clipped to the int16 range.
        """
        if isinstance(pcm, bytes):
            samples, self._odd = _split_samples(self._odd + pcm)
        else:
            samples = pcm
        signal = np.concatenate((self._pending, samples), dtype=np.float32, casting="unsafe")
        count = (len(signal) - self._span) // self._block + 1
        if count <= 0:
            self._pending = signal
            return b""
        step = signal.itemsize
        windows = np.ndarray((count, self._span), np.float32, signal, strides=(self._block * step, step))
        # Copied, because overlapping rows keep numpy from using its fast matrix product.
        output = windows.copy() @ self._matrix
        self._pending = signal[count * self._block :].copy()
        np.rint(output, out=output)
        np.clip(output, -32768, 32767, out=output)
        return output.astype(np.int16).tobytes()


def make_transcoder(source: AudioFormat, target: AudioFormat) -> Callable[[str], str] | None:
    """A converter of base64 payloads that keeps its filter state between calls; None when there is nothing to convert.

    One converter serves one stream in one direction. What is not base64 gives an empty payload: a bad frame on a live
    call is a lost frame, not a lost call.
    """
    if source == target:
        return None
    if "pcm16" not in (source.encoding, target.encoding):
        return _translator(_MULAW_TO_ALAW if target.encoding == "pcma" else _ALAW_TO_MULAW)
    return _Transcoder(source, target)


def _decoded(payload: str) -> bytes:
    try:
        return decode_payload(payload)
    except ValueError:
        return b""


def _translator(table: bytes) -> Callable[[str], str]:
    """A converter of base64 payloads byte by byte: between the two laws of G.711 nothing else is needed."""
    return lambda payload: b64encode_as_string(_decoded(payload).translate(table))


class _Transcoder:
    """Decode, resample, encode, each where it is needed."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._decode = {"pcmu": mulaw_to_pcm16, "pcma": alaw_to_pcm16}.get(source.encoding)
        self._encode = {"pcmu": pcm16_to_mulaw, "pcma": pcm16_to_alaw}.get(target.encoding)
        same_rate = source.sample_rate == target.sample_rate
        self._resample = None if same_rate else Resampler(source.sample_rate, target.sample_rate).process
        self._odd = b""

    def __call__(self, payload: str) -> str:
        data = _decoded(payload)
        if self._decode is not None:
            data = self._decode(data)
        elif self._resample is None:
            samples, self._odd = _split_samples(self._odd + data)
            data = samples.tobytes()
        if self._resample is not None:
            data = self._resample(data)
        if self._encode is not None:
            data = self._encode(data)
        return b64encode_as_string(data)


def _split_samples(data: bytes) -> tuple[Samples, bytes]:
    """The whole samples of `data`, and the odd byte after them."""
    even = len(data) & ~1
    return np.frombuffer(data, np.int16, even // 2), data[even:]


_FILTERS: WeakValueDictionary[tuple[int, ...], npt.NDArray[np.float32]] = WeakValueDictionary()


def _shared_filter(*shape: int) -> npt.NDArray[np.float32]:
    """`_filter_matrix`, the same object for all streams that need it: a copy for each would be a tenth of a call's memory.

    It goes with its last stream. For the odd sample rate of someone's file it can have hundreds of MB.
    """
    matrix = _FILTERS.get(shape)
    if matrix is None:
        matrix = _FILTERS[shape] = _filter_matrix(*shape)
    return matrix


def _filter_matrix(source_rate: int, target_rate: int, block: int, target_block: int) -> npt.NDArray[np.float32]:
    """Weights [input sample of a window, output sample of a block] of a windowed sinc with unit gain at 0 Hz."""
    lower_rate = min(source_rate, target_rate)
    # 20 zero crossings to each side at Kaiser beta 8.3 (-85 dB) make the transition 0.3 of the half rate wide; it is
    # laid symmetrically around that half, so the telephone band (to 3.4 kHz of 4) passes untouched.
    half_width = 20 / lower_rate
    span = block + math.ceil(2 * half_width * source_rate)
    input_times = (np.arange(span) - (span - block)) / source_rate
    output_times = np.arange(target_block) / target_rate - half_width
    distance = (output_times[np.newaxis, :] - input_times[:, np.newaxis]) / half_width
    window = np.i0(8.3 * np.sqrt(np.clip(1 - distance**2, 0, None))) * (np.abs(distance) <= 1)
    weights = np.sinc(lower_rate * half_width * distance) * window
    matrix = np.ascontiguousarray(weights / weights.sum(axis=0), np.float32)
    matrix.setflags(write=False)
    return matrix


def _mulaw_decoded() -> npt.NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decoded() -> npt.NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    mantissa = ((code & 0x0F) << 4) + np.where(segment == 0, 0x008, 0x108)
    magnitude = mantissa << np.maximum(segment - 1, 0)
    decoded: npt.NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return decoded


def _all_samples() -> npt.NDArray[np.int64]:
    """Every PCM16 value, at the index that its two bytes give as an unsigned number."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _segment(magnitude: npt.NDArray[np.int64], first_end: int) -> npt.NDArray[np.int64]:
    """The number of the G.711 segment: ends at `first_end`, and each next one at twice as much and one."""
    ends = [((first_end + 1) << power) - 1 for power in range(8)]
    return np.searchsorted(ends, magnitude).astype(np.int64)


def _mulaw_encoded() -> npt.NDArray[np.uint8]:
    sample = _all_samples() >> 2
    magnitude = np.minimum(np.abs(sample) + 33, 0x1FFF)
    segment = _segment(magnitude, 0x3F)
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    encoded: npt.NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)
    return encoded


def _alaw_encoded() -> npt.NDArray[np.uint8]:
    sample = _all_samples() >> 3
    magnitude = np.where(sample < 0, -sample - 1, sample)
    segment = _segment(magnitude, 0x1F)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    encoded: npt.NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)
    return encoded


_MULAW_DECODED: npt.NDArray[Any] = _mulaw_decoded()
_ALAW_DECODED: npt.NDArray[Any] = _alaw_decoded()
_MULAW_ENCODED: npt.NDArray[Any] = _mulaw_encoded()
_ALAW_ENCODED: npt.NDArray[Any] = _alaw_encoded()
_MULAW_TO_ALAW = pcm16_to_alaw(mulaw_to_pcm16(bytes(range(256))))
_ALAW_TO_MULAW = pcm16_to_mulaw(alaw_to_pcm16(bytes(range(256))))


def wav_file(pcm16: bytes, sample_rate: int, channels: int = 1) -> bytes:
    """PCM16 as a WAV file; the samples of several channels alternate."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(pcm16)
    return file.getvalue()
