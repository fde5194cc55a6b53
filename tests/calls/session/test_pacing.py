"""Audio in chunks of any size reaches a session in frames of 20 ms, at the time it was spoken, and nothing is added."""

import asyncio
import base64
import itertools
import random
from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest

from bubblyphone.core.audio import PCM16_8K, PCM16_16K, PCMA_8K, PCMU_8K, AudioFormat
from calls.session.pacing import MOST_AHEAD_SECONDS, Pacer, paced
from calls.session.transport import CallerFrame
from phone_numbers.carriers.media_protocol import MarkReached

pytestmark = pytest.mark.virtual_time
SECONDS = 2.0
# Chunk sizes in bytes, repeated. 20 ms of PCM16 at 16 kHz are 640 bytes.
CHUNKS = {
    "20 ms": [640],
    "10 ms": [320],
    "30 ms": [960],
    "60 ms": [1920],
    "100 ms": [3200],
    "500 ms": [16000],
    "1000 ms": [32000],
    "odd bytes": [333, 1, 4097],
    "bursts": [640, 640, 640, 20000, 1, 639],
    "at once": [64000],
}


def voice(seconds: float) -> bytes:
    """A loud tone: nothing in it is quiet enough to be skipped."""
    times = np.arange(round(seconds * 16000)) / 16000
    return (8000 * np.sign(np.sin(2 * np.pi * 300 * times) + 0.1)).astype("<i2").tobytes()


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def sent(data: bytes, sizes: Iterable[int], jitter: float = 0.0) -> AsyncIterator[CallerFrame]:
    """A client that sends each chunk when it has been spoken, some of them late."""
    chance, began, at = random.Random(1), asyncio.get_running_loop().time(), 0
    for size in itertools.cycle(sizes):
        piece = data[at : at + size]
        if not piece:
            return
        at += len(piece)
        due = began + at / 32000 + chance.random() * jitter
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        yield encode(piece)


@pytest.mark.parametrize("jitter", [0.0, 0.05])
@pytest.mark.parametrize("sizes", CHUNKS.values(), ids=CHUNKS)
async def test_chunks_of_any_size_become_steady_frames(sizes: list[int], jitter: float) -> None:
    data, loop = voice(SECONDS), asyncio.get_running_loop()
    arrivals, heard = list[float](), bytearray()
    async for frame in paced(sent(data, sizes, jitter), Pacer(PCM16_16K, loop.time)):
        assert isinstance(frame, str)
        arrivals.append(loop.time())
        heard += base64.b64decode(frame)
    assert bytes(heard) == data
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    # A gap of half a second would count as a pause of the caller. Only the first burst cannot be foreseen.
    assert sum(gap >= 0.15 for gap in gaps) <= (sizes == CHUNKS["bursts"])


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, PCM16_16K])
async def test_a_carriers_frames_are_passed_through_unchanged(audio_format: AudioFormat) -> None:
    pieces: list[CallerFrame] = [encode(bytes([level]) * 20 * audio_format.bytes_per_ms) for level in range(1, 6)]
    pieces.insert(2, MarkReached("m1"))

    async def source() -> AsyncIterator[CallerFrame]:
        for piece in pieces:
            yield piece

    through = [frame async for frame in paced(source(), Pacer(audio_format, asyncio.get_running_loop().time))]
    assert all(before is after for before, after in zip(pieces, through, strict=True))


@pytest.mark.parametrize("size", [157, 159, 160, 161, 162, 163, 240, 318, 319, 320, 321, 324, 480])
@pytest.mark.parametrize("audio_format", [PCMU_8K, PCM16_8K])
def test_a_frame_or_two_needs_no_pacing(audio_format: AudioFormat, size: int) -> None:
    samples = size / (audio_format.bytes_per_ms // 8)
    is_short = 160 <= samples <= 320 and samples == int(samples)
    assert Pacer(audio_format).passes(base64.b64encode(bytes(size)).decode()) is is_short


async def test_a_mark_does_not_wait_behind_audio() -> None:
    async def source() -> AsyncIterator[CallerFrame]:
        yield encode(voice(0.5))
        yield MarkReached("m1")
        await asyncio.sleep(1)

    frames = [frame async for frame in paced(source(), Pacer(PCM16_16K, asyncio.get_running_loop().time))]
    assert frames.index(MarkReached("m1")) <= 2
    assert len(frames) == 26


async def test_the_last_audio_of_a_client_that_leaves_is_not_lost() -> None:
    data = voice(1.0)

    async def source() -> AsyncIterator[CallerFrame]:
        yield encode(data)

    loop = asyncio.get_running_loop()
    began = loop.time()
    frames = [frame async for frame in paced(source(), Pacer(PCM16_16K, asyncio.get_running_loop().time))]
    assert b"".join(base64.b64decode(str(frame)) for frame in frames) == data
    assert loop.time() == began


def test_a_client_faster_than_real_time_does_not_fill_the_memory() -> None:
    now = [0.0]
    pacer = Pacer(PCM16_16K, lambda: now[0])
    taken = [pacer.put(encode(voice(1.0))) for _ in range(30)]
    assert taken == [True] * int(MOST_AHEAD_SECONDS) + [False] * 20
    for _ in range(50):
        now[0] += 0.02
        pacer.take()
    assert [pacer.put(encode(voice(1.0))), pacer.put(encode(voice(1.0)))] == [True, False]


def test_a_fast_clock_is_corrected_only_in_pauses() -> None:
    now = [0.0]
    pacer = Pacer(PCM16_16K, lambda: now[0])
    spoken = [voice(0.5), bytes(32000)] * 4  # half a second of voice and a second of pause arrive within a second
    heard = bytearray()
    for piece in spoken:
        pacer.put(encode(piece))
        now[0] += 0.5
        while not pacer.is_empty and not pacer.wait_seconds:
            heard += base64.b64decode(pacer.take())
    now[0] += 10
    while not pacer.is_empty:
        heard += base64.b64decode(pacer.take())
    assert heard.replace(b"\0", b"") == voice(0.5).replace(b"\0", b"") * 4
    assert len(heard) < sum(map(len, spoken))
