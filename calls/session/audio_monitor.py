"""Audio for people who listen to a call: both sides as they are heard, in short pieces.

Nothing goes the other way. Most calls have no listeners: `Monitor.tap` is then None, and a piece of audio costs one check.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from bubblyphone.core.audio import AudioFormat, decode_payload

PIECE_SECONDS = 0.04
# Pieces of caller audio that may be queued while listeners are unreachable: two seconds. The oldest are dropped.
MOST_CALLER_PIECES = 100
# Agent audio is sent ahead, as fast as a model produces it, and is queued until it is played.
MOST_AGENT_PIECES = 6000

Publish = Callable[[bytes, bytes], Awaitable[None]]


class Tap:
    """Follows one line.

    `publish` receives the audio heard of the caller and of the agent since the last time, in the line's encoding.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        publish: Publish,
        unplayed: Iterable[str] = (),
        played_ms: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unplayed`: the audio that the far end has yet to play, as base64 text; `played_ms` of it have been played."""
        self._bytes_per_ms = audio_format.bytes_per_ms
        self._sample = 2 if audio_format.encoding == "pcm16" else 1
        self._publish = publish
        self._now = now
        self._caller: deque[str] = deque(maxlen=MOST_CALLER_PIECES)
        self._agent: deque[str] = deque(unplayed, maxlen=MOST_AGENT_PIECES)
        self._begun = b""  # the rest of an agent piece that is partly played
        self._played(played_ms)
        # For the event loop, which adds passing audio: one append per piece.
        self.heard = self._caller.append
        self.said = self._agent.append

    def clear(self) -> None:
        """The far end drops its pending audio."""
        self._agent.clear()
        self._begun = b""

    async def run(self) -> None:
        """Runs as long as someone listens."""
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
    """Where a line can be tapped."""

    def __init__(self) -> None:
        self.tap: Tap | None = None


def _decoded(payload: str) -> bytes:
    try:
        return decode_payload(payload)
    except ValueError:
        return b""  # invalid data from a model or a carrier: the line drops it, too
