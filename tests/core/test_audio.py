"""G.711 against the standard library's tables, and the resampler's quality, delay and consistency for pieces of any size."""

import binascii
import importlib.util
import itertools
import tracemalloc
import warnings
from base64 import b64decode, b64encode

import numpy as np
import numpy.typing as npt
import pytest

from bubblyphone.core.audio import (
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    PCMA_8K,
    PCMU_8K,
    AudioFormat,
    Resampler,
    alaw_to_pcm16,
    decode_payload,
    is_payload,
    make_transcoder,
    mulaw_to_pcm16,
    payload_ms,
    pcm16_to_alaw,
    pcm16_to_mulaw,
)

ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16).tobytes()
ALL_CODES = bytes(range(256))
FORMATS = (PCMU_8K, PCMA_8K, PCM16_8K, PCM16_16K, PCM16_24K)
PAIRS = list(itertools.permutations(FORMATS, 2))
RATES = ((8000, 16000), (16000, 8000), (8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000), (22050, 8000))


def tone(frequency: float, rate: int, seconds: float, amplitude: float = 16000) -> npt.NDArray[np.int16]:
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def resample(samples: npt.NDArray[np.int16], source: int, target: int, piece: int) -> npt.NDArray[np.int16]:
    resampler = Resampler(source, target)
    pieces = [resampler.process(samples[start : start + piece]) for start in range(0, len(samples), piece)]
    return np.frombuffer(b"".join(pieces), np.int16)


def sinad_db(samples: npt.NDArray[np.int16], frequency: float, rate: int) -> float:
    """The power of the best-fitting sine relative to the power of the rest."""
    phase = 2 * np.pi * frequency * np.arange(len(samples)) / rate
    basis = np.stack((np.sin(phase), np.cos(phase), np.ones(len(samples))), axis=1)
    fitted = basis @ np.linalg.lstsq(basis, samples.astype(float), rcond=None)[0]
    return float(10 * np.log10(np.sum(fitted**2) / np.sum((samples - fitted) ** 2)))


@pytest.mark.skipif(
    importlib.util.find_spec("audioop") is None, reason="audioop left the standard library in Python 3.13"
)
def test_g711_is_bit_exact_with_the_standard_library() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = importlib.import_module("audioop")
    assert pcm16_to_mulaw(ALL_SAMPLES) == audioop.lin2ulaw(ALL_SAMPLES, 2)
    assert pcm16_to_alaw(ALL_SAMPLES) == audioop.lin2alaw(ALL_SAMPLES, 2)
    assert mulaw_to_pcm16(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
    assert alaw_to_pcm16(ALL_CODES) == audioop.alaw2lin(ALL_CODES, 2)


def test_g711_known_values_and_round_trip() -> None:
    assert pcm16_to_mulaw(np.array([0, 32767, -32768], np.int16).tobytes()) == bytes([0xFF, 0x80, 0x00])
    assert pcm16_to_alaw(np.array([0, 32767, -32768], np.int16).tobytes()) == bytes([0xD5, 0xAA, 0x2A])
    assert pcm16_to_alaw(alaw_to_pcm16(ALL_CODES)) == ALL_CODES
    # 0x7F is minus zero, the only µ-law code that does not round-trip.
    assert pcm16_to_mulaw(mulaw_to_pcm16(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(("source", "target"), RATES)
def test_resampled_tone_is_clean(source: int, target: int) -> None:
    output = resample(tone(1000, source, 0.5), source, target, source // 50)
    assert len(output) == target // 2
    assert sinad_db(output[target // 10 :], 1000, target) > 80


@pytest.mark.parametrize(
    ("source", "target", "frequency"), [(24000, 8000, 6000), (16000, 8000, 5000), (24000, 16000, 10000)]
)
def test_frequencies_that_would_alias_are_removed(source: int, target: int, frequency: int) -> None:
    output = resample(tone(frequency, source, 0.5, 30000), source, target, source // 50)
    assert np.max(np.abs(output[target // 10 :])) <= 30000 * 10 ** (-80 / 20)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_telephone_band_passes_unchanged(source: int, target: int) -> None:
    output = resample(tone(3300, source, 0.5), source, target, source // 50)
    assert np.max(np.abs(output[target // 10 :])) == pytest.approx(16000, rel=0.01)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_delay_is_twenty_samples_of_the_lower_rate(source: int, target: int) -> None:
    impulse = np.zeros(source // 10, np.int16)
    impulse[source // 50] = 20000
    peak = int(np.argmax(resample(impulse, source, target, len(impulse)))) / target
    assert peak - 0.02 == pytest.approx(20 / min(source, target), abs=1 / target)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_pieces_of_any_size_give_the_same_stream(source: int, target: int) -> None:
    noise = np.random.default_rng(7).integers(-20000, 20000, source // 5).astype(np.int16)
    whole = resample(noise, source, target, len(noise))
    assert len(whole) == target // 5
    in_pieces = resample(noise, source, target, 37)
    np.testing.assert_allclose(in_pieces, whole[: len(in_pieces)], atol=1)
    assert len(whole) - len(in_pieces) < target // 40


def test_streams_share_their_filter() -> None:
    Resampler(24000, 8000)
    tracemalloc.start()
    try:
        streams = [Resampler(24000, 8000) for _ in range(100)]
        memory, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert memory / len(streams) < 2000  # bytes; a filter alone has 4,608


def test_the_filter_of_a_file_s_odd_rate_goes_with_its_stream() -> None:
    tracemalloc.start()
    try:
        resampler = Resampler(8008, 8000)
        with_stream, _ = tracemalloc.get_traced_memory()
        del resampler
        afterwards, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert with_stream > 4_000_000  # bytes
    assert afterwards < 10_000


def test_overshoot_is_clipped() -> None:
    square = np.where(np.arange(1600) // 8 % 2, 32767, -32768).astype(np.int16)
    output = resample(square, 8000, 16000, 160)
    assert output.max() == 32767
    assert output.min() == -32768


def test_half_samples_are_carried_over() -> None:
    pcm = tone(440, 24000, 0.1).tobytes()
    resampler, reference = Resampler(24000, 8000), Resampler(24000, 8000)
    pieces = [resampler.process(pcm[start : start + 333]) for start in range(0, len(pcm), 333)]
    np.testing.assert_allclose(
        np.frombuffer(b"".join(pieces), np.int16), np.frombuffer(reference.process(pcm), np.int16), atol=1
    )
    transcode = make_transcoder(PCM16_8K, PCMU_8K)
    assert transcode is not None
    coded = [b64decode(transcode(b64encode(pcm[start : start + 3]).decode())) for start in range(0, 300, 3)]
    assert b"".join(coded) == pcm16_to_mulaw(pcm[:300])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_pair_of_formats_keeps_length_and_tone(source: AudioFormat, target: AudioFormat) -> None:
    to_source = make_transcoder(PCM16_8K, source)
    transcode, back = make_transcoder(source, target), make_transcoder(target, PCM16_8K)
    frames = tone(1000, 8000, 0.4).reshape(-1, 160)
    output = b""
    for frame in frames:
        payload = b64encode(frame.tobytes()).decode()
        payload = to_source(payload) if to_source else payload
        assert transcode is not None
        payload = transcode(payload)
        assert payload_ms(payload, target) == 20
        output += b64decode(back(payload) if back else payload)
    # Each G.711 conversion reduces quality to as low as 38 dB. PCM16 alone stays above 70.
    floor = 33 if {"pcmu", "pcma"} & {source.encoding, target.encoding} else 70
    assert sinad_db(np.frombuffer(output, np.int16)[800:], 1000, 8000) > floor


def test_equal_formats_need_no_transcoder() -> None:
    assert [make_transcoder(each, each) for each in FORMATS] == [None] * 5


def test_invalid_base64_is_a_lost_frame() -> None:
    for target in (PCMA_8K, PCM16_24K):
        transcode = make_transcoder(PCMU_8K, target)
        assert transcode is not None
        assert transcode("abcde") == ""
        assert transcode("ä") == ""
        assert payload_ms(transcode(b64encode(bytes(160)).decode()), target) == 20
    assert [is_payload(each) for each in ("", "AA+/", "AAA=", 'A"A', "A\nA", "ä", None)] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    "text", ["", "QUJD", "QQ==", "QUI=", "QUJD\nQUJD", "Q Q==", "QUJD==", "=QUI=", "QQ==QQ==", "QUJD=QUJD", "===="]
)
def test_a_payload_is_decoded_as_in_python(text: str) -> None:
    assert decode_payload(text) == binascii.a2b_base64(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("A", "Invalid base64"), ("QQ=", "Incorrect padding"), ("QUJDQ", "Invalid base64"), ("\u00e9", "only ASCII")],
)
def test_invalid_base64_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_payload(text)
