"""The caller's end of a call: sends a frame every 20 ms and records when it returns."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.bench.frame_clock import FrameClock
from tests.bench.frames import FRAME_SECONDS, Dialect, make_payload, read_tag

LOST = -1.0
BYTES_PER_SECOND = 8000  # of G.711
CLOSE_SECONDS = 2.0


class Playback:
    """The carrier's playback queue: a mark is returned when the audio sent before it has been played."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ends_at = 0.0
        self._marks: list[tuple[asyncio.TimerHandle, bytes]] = []

    def play(self, payload: bytes) -> None:
        self._ends_at = max(self._ends_at, self._loop.time()) + len(payload) * 3 // 4 / BYTES_PER_SECOND

    def mark(self, frame: bytes) -> None:
        self._marks.append((self._loop.call_at(self._ends_at, self._reach), frame))

    def clear(self) -> None:
        """Drop all pending audio and return its marks."""
        self._ends_at = 0.0
        while self._marks:
            self._marks[0][0].cancel()
            self._reach()

    def _reach(self) -> None:
        self._send(self._marks.pop(0)[1])


class Line(WSListener):
    """Frames are numbered from 0. `round_trips[n]` is the n-th frame's round trip in seconds, or LOST until it returns.

    Each message is handled in the callback that read it: a delay in the benchmark itself would count as the platform's latency.
    """

    def __init__(
        self,
        call: int,
        clock: FrameClock,
        dialect: Dialect,
        at_end: Callable[[], Awaitable[None]] | None = None,
        *,
        is_tagged: bool = True,
    ) -> None:
        """Without tags in what comes back, its frames are taken for those that were sent, in order."""
        self.call = call
        self.round_trips: list[float] = []
        self.repeats = 0
        self.disorders = 0
        self.cleared_at: list[float] = []
        self._clock = clock
        self._dialect = dialect
        self._at_end = at_end
        self._is_tagged = is_tagged
        self._transport: WSTransport | None = None
        self._playback = Playback(self.send)
        self._sent_at: list[float] = []
        self._newest = -1
        self._due = 0.0
        self._is_sending = False

    async def connect(self, url: str) -> None:
        await ws_connect(lambda: self, url)

    def start_sending(self, phase: float) -> None:
        """Each frame is due a whole number of frames after `phase`, a time of `perf_counter`."""
        now = time.perf_counter()
        self._due = now + (phase - now) % FRAME_SECONDS
        self._is_sending = True
        self._clock.call_at(self._due, self._speak)

    @property
    def sent(self) -> int:
        return len(self._sent_at)

    async def close(self) -> None:
        self.stop_sending()
        self._playback.clear()
        if (transport := self._transport) is not None:
            transport.send_close(WSCloseCode.OK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await transport.wait_disconnected()
            transport.disconnect(graceful=False)
        if self._at_end is not None:
            await self._at_end()

    def stop_sending(self) -> None:
        """Frames in flight can still return."""
        self._is_sending = False

    def send(self, message: bytes) -> None:
        """Does nothing once the connection has ended."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def _speak(self) -> None:
        if not self._is_sending:
            return
        dialect = self._dialect
        frame = dialect.prefix + make_payload(self.call, len(self._sent_at)) + dialect.suffix
        self.round_trips.append(LOST)
        self._sent_at.append(time.perf_counter())
        self.send(frame)
        self._due += FRAME_SECONDS
        self._clock.call_at(self._due, self._speak)

    # --- for picows ---------------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.perf_counter()
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        payload = self._dialect.payload_of(message)
        if payload:
            self._playback.play(payload)
            self._heard(payload, now)
        elif b'"event":"mark"' in message:
            self._playback.mark(message)
        elif b'"event":"clear"' in message:
            self.cleared_at.append(now)
            self._playback.clear()

    def _heard(self, payload: bytes, now: float) -> None:
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
