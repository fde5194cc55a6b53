"""A caller's line that outlives its media connections: when one breaks during a call, the carrier is asked for another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from bubblyphone.core.audio import AudioFormat
from calls.session.transport import AudioSink, CallerFrame, CarrierTransport, LineBack, LineBroken
from phone_numbers.carriers.media_protocol import StreamStopped

# When a call ends, its stream ends too, and the carrier's report of the end follows within this time.
END_REPORT_SECONDS = 0.3
# From the request to the carrier to the new connection.
RESTART_SECONDS = 6.0

Restart = Callable[[], Awaitable[bool]]


class CarrierLine:
    """Presents the successive media connections of one call as one (calls.session.transport.MediaTransport).

    `restart` asks the carrier for another one and returns whether it will come.
    """

    def __init__(self, transport: CarrierTransport, restart: Restart) -> None:
        self._transport = transport
        self._restart = restart
        self._next: asyncio.Queue[CarrierTransport] = asyncio.Queue()
        self._sink: AudioSink = lambda frame: False
        self.audio_format: AudioFormat = transport.audio_format

    @property
    def is_direct(self) -> bool:
        return self._transport.is_direct

    def attach(self, transport: CarrierTransport) -> bool:
        """Attach a connection that replaces a broken one. False if this is not possible."""
        if transport.audio_format != self.audio_format:
            return False
        self._next.put_nowait(transport)
        return True

    def hand_audio_to(self, sink: AudioSink) -> None:
        self._sink = sink

    async def frames(self) -> AsyncIterator[CallerFrame]:
        while True:
            self._transport.hand_audio_to(self._sink)
            async for frame in self._transport.frames():
                if isinstance(frame, StreamStopped):
                    break
                yield frame
            self._transport.left.set()
            yield LineBroken()
            if not await self._is_replaced():
                return
            yield LineBack()

    async def _is_replaced(self) -> bool:
        try:
            async with asyncio.timeout(END_REPORT_SECONDS):
                self._transport = await self._next.get()
                return True
        except TimeoutError:
            pass
        if not await self._restart():
            return False
        try:
            async with asyncio.timeout(RESTART_SECONDS):
                self._transport = await self._next.get()
        except TimeoutError:
            return False
        return True

    def send_audio(self, payload: str) -> Coroutine[Any, Any, None]:
        return self._transport.send_audio(payload)

    async def send_mark(self, name: str) -> None:
        await self._transport.send_mark(name)

    async def clear(self) -> None:
        await self._transport.clear()

    def leave(self) -> None:
        """The conversation is over: close every connection."""
        self._transport.left.set()
        while not self._next.empty():
            self._next.get_nowait().left.set()
