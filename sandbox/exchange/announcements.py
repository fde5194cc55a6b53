"""Plays the commands `speak` and `playback_start` on a leg, one after the other."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.exchange.audio.audio_queue import SILENCE
from sandbox.exchange.audio.tones import frames
from sandbox.exchange.tasks import Tasks

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg

logger = logging.getLogger(__name__)

Stop = Literal["current", "all"]


class AnnouncementFailed(Exception):
    """There is nothing to play. `status` is the status of Telnyx's call.playback.ended."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(slots=True, eq=False)
class Announcement:
    """One command's audio. `render` starts when the command is queued, and adds audio while earlier audio already plays.

    `plays` is the number of repetitions, None for no end. `about` is included in its events.
    """

    kind: Literal["speak", "playback"]
    render: Callable[["Announcement"], Awaitable[None]]
    target_legs: str = "self"
    plays: int | None = 1
    about: dict[str, Any] = field(default_factory=dict)
    is_rendered: bool = False
    failure: AnnouncementFailed | None = None
    has_started: bool = False
    task: asyncio.Task[None] | None = None
    _frames: list[bytes] = field(default_factory=list)
    _position: int = 0

    def add(self, pcm16: bytes) -> None:
        """Append 8 kHz PCM16."""
        self._frames.extend(frames(pcm16))

    async def run(self) -> None:
        """Render to the end."""
        try:
            await self.render(self)
        except AnnouncementFailed as failure:
            self.failure = failure
        finally:
            self.is_rendered = True

    def next_frame(self) -> bytes | None:
        """The next 20 ms, or None if none is ready (see `is_over`)."""
        if self._position == len(self._frames) and self.is_rendered and self._frames:
            if self.plays is None:
                self._position = 0
            elif self.plays > 1:
                self.plays -= 1
                self._position = 0
        if self._position == len(self._frames):
            return None
        self._position += 1
        return self._frames[self._position - 1]

    @property
    def is_over(self) -> bool:
        return self.is_rendered and self._position == len(self._frames)


class Announcer:
    """The queue of one leg. `call.speak.started` goes out with the first sound, `ended` after the last."""

    def __init__(self, leg: "Leg", tasks: Tasks) -> None:
        self._leg = leg
        self._tasks = tasks
        self._queue: deque[Announcement] = deque()

    def add(self, announcement: Announcement, stop: Stop | None = None) -> None:
        """Play this after all others. With `stop`, the current one or all of them end first."""
        if stop is not None:
            self.stop(stop)
        announcement.task = self._tasks.start(announcement.run(), announcement.kind)
        self._queue.append(announcement)

    def stop(self, which: Stop) -> None:
        """End the current one and, with "all", also remove the queued ones."""
        # Telnyx has no separate status for a `speak` that was stopped.
        if self._queue:
            self._end(self._queue.popleft(), {"speak": "completed", "playback": "cancelled"})
        while which == "all" and self._queue:
            self._drop(self._queue.popleft())

    def close(self) -> None:
        """The call has ended."""
        if self._queue:
            self._end(self._queue.popleft(), {"speak": "call_hangup", "playback": "call_hangup"})
        while self._queue:
            self._drop(self._queue.popleft())

    def next_frame(self) -> tuple[bytes, str]:
        """The next 20 ms, and the legs that hear them (self, opposite, both)."""
        while self._queue:
            current = self._queue[0]
            frame = current.next_frame()
            if frame is None and not current.is_over:
                break
            # A text without words has no audio, but still starts and ends.
            if not current.has_started and current.failure is None:
                current.has_started = True
                self._report(current, "started")
            if frame is not None:
                return frame, current.target_legs
            self._end(self._queue.popleft(), {"speak": "completed", "playback": "completed"})
        return SILENCE, "self"

    def _end(self, announcement: Announcement, status: dict[str, str]) -> None:
        self._drop(announcement)
        if announcement.failure is not None:
            failure = announcement.failure
            self._report(announcement, "ended", status=failure.status, status_detail=str(failure))
        elif announcement.has_started:
            self._report(announcement, "ended", status=status[announcement.kind])

    def _drop(self, announcement: Announcement) -> None:
        if announcement.task is not None:
            announcement.task.cancel()

    def _report(self, announcement: Announcement, what: str, **extra: Any) -> None:
        self._leg.report(f"call.{announcement.kind}.{what}", parties=False, **announcement.about, **extra)
