"""A phone of the built-in exchange, controlled by a test (protocol: sandbox/exchange/handsets/remote.py)."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.flows.platform import Platform

RATE = 16000
FRAME_BYTES = 640  # 20 ms of PCM16 at 16 kHz
SILENCE = bytes(FRAME_BYTES)
LOUD = 200  # mean amplitude above which a frame is not silence
_numbers = itertools.count()


class TestHandset:
    """Speaks and listens in real time. `heard` is all the audio received, `events` all control messages."""

    __test__ = False

    def __init__(self, socket: ClientConnection, number: str) -> None:
        self.number = number
        self.heard = bytearray()
        self.events: list[dict[str, Any]] = []
        self.loud_at = 0.0  # when the other party was last loud (time.monotonic)
        self.longest_pause = 0.0  # in seconds, between two loud frames
        self.spoke_at = 0.0  # when the last audio said became loud
        self._socket = socket
        self._to_say = bytearray()
        self._is_silent = True
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._speak())]

    async def _read(self) -> None:
        async for message in self._socket:
            if isinstance(message, bytes):
                self.heard += message
                if loudness(message) > LOUD:
                    now = time.monotonic()
                    if self.loud_at:
                        self.longest_pause = max(self.longest_pause, now - self.loud_at)
                    self.loud_at = now
            else:
                self.events.append(orjson.loads(message))

    async def _speak(self) -> None:
        next_at = time.monotonic()
        while True:
            frame = bytes(self._to_say[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
            del self._to_say[:FRAME_BYTES]
            if self.has("answered") and not self.has("ended"):
                await self._socket.send(frame)
                if self._is_silent and loudness(frame) > LOUD:
                    self.spoke_at, self._is_silent = time.monotonic(), False
            next_at += 0.02
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    async def control(self, **message: Any) -> None:
        await self._socket.send(orjson.dumps(message).decode())

    async def dial(self, number: str) -> None:
        """Call a number and wait until it is answered."""
        await self.control(type="dial", to=number)
        await self.wait_for("answered", 20)

    async def hang_up(self) -> None:
        await self.control(type="hangup")
        await self.wait_for("ended")

    def say(self, pcm16_16k: bytes) -> None:
        """Start to speak."""
        self._to_say += pcm16_16k
        self._is_silent = True

    async def finish_speaking(self) -> None:
        while self._to_say:
            await asyncio.sleep(0.02)

    def has(self, kind: str) -> bool:
        return any(event["type"] == kind for event in self.events)

    async def wait_for(self, kind: str, seconds: float = 10) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while not self.has(kind):
                await asyncio.sleep(0.02)
        return next(event for event in self.events if event["type"] == kind)

    async def wait_until_loud(self, seconds: float = 30) -> None:
        """Wait until the other party speaks, from now on."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while self.loud_at < began:
                await asyncio.sleep(0.02)

    async def wait_until_quiet(self, seconds: float = 30, *, quiet: float = 1.0) -> None:
        """Wait until the other party has been silent for `quiet` seconds."""
        async with asyncio.timeout(seconds):
            while time.monotonic() - self.loud_at < quiet:
                await asyncio.sleep(0.02)

    async def listen(self, *, quiet: float = 1.0) -> bytes:
        """What the other party says from now on, until it has been silent for `quiet` seconds, at 16 kHz."""
        start = len(self.heard)
        await self.wait_until_loud()
        await self.wait_until_quiet(quiet=quiet)
        return bytes(self.heard[start:])

    async def interrupt(self, pcm16_16k: bytes, *, quiet: float = 0.2) -> float:
        """Speak over the other party until it is silent for `quiet` seconds. Returns how long it continued speaking."""
        async with asyncio.timeout(10):
            while time.monotonic() - self.loud_at > 0.06:  # not during a pause
                await asyncio.sleep(0.01)
        self.say(loud_part(pcm16_16k))
        while self._is_silent:
            await asyncio.sleep(0.01)
        await self.wait_until_quiet(quiet=quiet)
        return max(0.0, self.loud_at - self.spoke_at)

    async def ask(self, pcm16_16k: bytes) -> bytes:
        """Say something and return the answer."""
        self.say(pcm16_16k)
        await self.finish_speaking()
        return await self.listen()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def handset(platform: Platform) -> AsyncIterator[TestHandset]:
    """A phone that is registered under its own number."""
    number = f"+1503555{next(_numbers):04d}"  # in an area code in which the exchange sells no numbers
    address = platform.exchange_url.replace("http", "ws", 1) + f"/handset?token={platform.exchange_key}"
    async with connect(address, compression=None, proxy=None, max_size=None) as socket:
        phone = TestHandset(socket, number)
        await phone.control(type="register", number=number)
        await phone.wait_for("registered")
        try:
            yield phone
        finally:
            await phone.close()


def loudness(pcm16: bytes) -> float:
    """The mean amplitude."""
    return float(np.abs(np.frombuffer(pcm16, np.int16).astype(np.int32)).mean()) if pcm16 else 0.0


def tone(seconds: float, frequency: float = 440.0, rate: int = RATE) -> bytes:
    """A loud tone, PCM16."""
    samples = np.arange(int(seconds * rate))
    return (np.sin(2 * np.pi * frequency * samples / rate) * 12000).astype("<i2").tobytes()


def loud_part(pcm16_16k: bytes) -> bytes:
    """The audio from the first loud frame to the last."""
    frames = [pcm16_16k[start : start + FRAME_BYTES] for start in range(0, len(pcm16_16k), FRAME_BYTES)]
    loud = [index for index, frame in enumerate(frames) if loudness(frame) > LOUD]
    return b"".join(frames[loud[0] : loud[-1] + 1]) if loud else b""


def pitch(pcm16_16k: bytes) -> float:
    """The strongest frequency, in Hz."""
    samples = np.frombuffer(pcm16_16k, np.int16).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[int(spectrum.argmax())])
