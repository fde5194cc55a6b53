"""The real speech workers, started once per module, and audio as it arrives over a phone line."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest_asyncio

from agents import speech
from bubblyphone.core.audio import Resampler, mulaw_to_pcm16, pcm16_to_mulaw

FRAME = 640  # 20 ms of PCM16 at 16 kHz


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[speech.Speech]:
    await speech.warm_up()
    yield speech.get_speech()
    await speech.close()


def quiet(seconds: float) -> bytes:
    """Faint line noise, PCM16 16 kHz."""
    noise = np.random.default_rng(0).normal(0, 15, int(16_000 * seconds))
    return noise.astype("<i2").tobytes()


async def phone_line(text: str) -> bytes:
    """A caller's sentence as it arrives: spoken, 8 kHz µ-law, converted back to PCM16 16 kHz."""
    pcm = await speech.say_8k(text)
    return Resampler(8_000, 16_000).process(mulaw_to_pcm16(pcm16_to_mulaw(pcm)))


async def in_real_time(pcm: bytes) -> AsyncIterator[bytes]:
    """Frames of 20 ms in real time."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    for position in range(0, len(pcm), FRAME):
        await asyncio.sleep(max(0.0, started + position / 32_000 - loop.time()))
        yield pcm[position : position + FRAME]
