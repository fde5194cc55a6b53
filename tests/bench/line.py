"""The caller's end of a call: sends a frame every 20 ms and records when it returns."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

from tests.bench.frames import FRAME_SECONDS, Dialect, make_payload, read_tag

LOST = -1.0
BYTES_PER_SECOND = 8000  # of G.711


class Playback:
    """The carrier's playback queue: a mark is returned when the audio sent before it has been played."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._ends_at = 0.0
        self._marks: list[tuple[asyncio.TimerHandle, str]] = []
        self._sending: set[asyncio.Task[None]] = set()

    def play(self, payload: str) -> None:
        self._ends_at = max(self._ends_at, self._loop.time()) + len(payload) * 3 // 4 / BYTES_PER_SECOND

    def mark(self, frame: str) -> None:
        self._marks.append((self._loop.call_at(self._ends_at, self._reach), frame))

    def clear(self) -> None:
        """Drop all pending audio and return its marks."""
        self._ends_at = 0.0
        while self._marks:
            self._marks[0][0].cancel()
            self._reach()

    def _reach(self) -> None:
        sending = self._loop.create_task(self._socket.send_str(self._marks.pop(0)[1]))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)


class Line:
    """Frames are numbered from 0. `round_trips[n]` is the n-th frame's round trip in seconds, or LOST until it returns."""

    def __init__(
        self,
        call: int,
        socket: aiohttp.ClientWebSocketResponse,
        dialect: Dialect,
        at_end: Callable[[], Awaitable[None]] | None = None,
        *,
        is_tagged: bool = True,
    ) -> None:
        """Without tags in what comes back, its frames are taken for those that were sent, in order."""
        self.call = call
        self.socket = socket
        self.round_trips: list[float] = []
        self.repeats = 0
        self.disorders = 0
        self.cleared_at: list[float] = []
        self._dialect = dialect
        self._at_end = at_end
        self._is_tagged = is_tagged
        self._playback = Playback(socket)
        self._sent_at: list[float] = []
        self._newest = -1
        self._listening = asyncio.create_task(self._listen())
        self._talking: asyncio.Task[None] | None = None

    def talk(self, phase: float) -> None:
        """Start sending. Each frame is due a whole number of frames after `phase`, a time of `perf_counter`."""
        self._talking = asyncio.create_task(self._talk(phase))

    @property
    def sent(self) -> int:
        return len(self._sent_at)

    async def close(self) -> None:
        await self.silence()
        self._playback.clear()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self.socket.close()
        if self._at_end is not None:
            await self._at_end()

    async def silence(self) -> None:
        """Stop sending. Frames in flight can still return."""
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
            self._talking = None

    async def _talk(self, phase: float) -> None:
        due = time.perf_counter()
        due += (phase - due) % FRAME_SECONDS
        prefix, suffix = self._dialect.prefix, self._dialect.suffix
        while True:
            await asyncio.sleep(due - time.perf_counter())
            due += FRAME_SECONDS
            frame = prefix + make_payload(self.call, len(self._sent_at)) + suffix
            self.round_trips.append(LOST)
            self._sent_at.append(time.perf_counter())
            await self.socket.send_str(frame)

    async def _listen(self) -> None:
        async for message in self.socket:
            now = time.perf_counter()
            text = message.data
            payload = self._dialect.payload_of(text)
            if payload:
                self._playback.play(payload)
                self._heard(payload, now)
            elif '"event":"mark"' in text:
                self._playback.mark(text)
            elif '"event":"clear"' in text:
                self.cleared_at.append(now)
                self._playback.clear()

    def _heard(self, payload: str, now: float) -> None:
        tag = read_tag(payload) if self._is_tagged else (self.call, self._newest + 1)
        if tag is None or tag[0] != self.call:
            return
        number = tag[1]
        if self.round_trips[number] != LOST:
            self.repeats += 1
            return
        self.round_trips[number] = now - self._sent_at[number]
        self.disorders += number < self._newest
        self._newest = number
