"""What somebody who listens to a call is given: both sides as they are heard, in short pieces. Nothing goes the other way.

Nobody listens to most calls: then `Monitor.tap` is None, and a piece of audio costs one look at it.
"""

import asyncio
import binascii
import time
from binascii import a2b_base64
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from bubblyphone.core.audio import AudioFormat

PIECE_SECONDS = 0.04
# Pieces of the caller's that may wait, should those who listen be out of reach: two seconds. The oldest make room.
MOST_CALLER_PIECES = 100
# The agent's are sent ahead, as quickly as a model makes them; they wait until they are played.
MOST_AGENT_PIECES = 6000

Publish = Callable[[bytes, bytes], Awaitable[None]]


class Tap:
    """Follows one line. `publish` is given what was heard of the caller and of the agent since the last time, in the line's encoding."""

    def __init__(
        self,
        audio_format: AudioFormat,
        publish: Publish,
        unplayed: Iterable[str] = (),
        played_ms: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unplayed`: what the far end has yet to play, base64 text; `played_ms` of it has been played."""
        self._bytes_per_ms = audio_format.bytes_per_ms
        self._sample = 2 if audio_format.encoding == "pcm16" else 1
        self._publish = publish
        self._now = now
        self._caller: deque[str] = deque(maxlen=MOST_CALLER_PIECES)
        self._agent: deque[str] = deque(unplayed, maxlen=MOST_AGENT_PIECES)
        self._begun = b""  # the rest of an agent's piece of which the beginning has been played
        self._played(played_ms)
        # For the event loop, which puts in what goes by: one append for each piece.
        self.heard = self._caller.append
        self.said = self._agent.append

    def clear(self) -> None:
        """The far end plays nothing more of what it was sent."""
        self._agent.clear()
        self._begun = b""

    async def run(self) -> None:
        """For as long as somebody listens."""
        played_until = self._now()
        while True:
            await asyncio.sleep(PIECE_SECONDS)
            length_ms = int((self._now() - played_until) * 1000)
            played_until += length_ms / 1000
            caller = b"".join(_decoded(self._caller.popleft()) for _ in range(len(self._caller)))
            agent = self._played(length_ms)
            if caller or agent:
                await self._publish(caller, agent)

    def _played(self, length_ms: float) -> bytes:
        size = int(length_ms * self._bytes_per_ms) // self._sample * self._sample
        while len(self._begun) < size and self._agent:
            self._begun += _decoded(self._agent.popleft())
        played, self._begun = self._begun[:size], self._begun[size:]
        return played


class Monitor:
    """The place where a tap can be put on a line."""

    def __init__(self) -> None:
        self.tap: Tap | None = None


def _decoded(payload: str) -> bytes:
    try:
        return a2b_base64(payload)
    except binascii.Error:
        return b""  # a model's or a carrier's nonsense: the line loses it, too
