"""Reads a session's events in the background, with a timeout on every wait."""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from agents.providers.base import RealtimeSession
from agents.providers.model_events import AudioDelta, ModelEvent

Event = TypeVar("Event", bound=ModelEvent)


class Reading:
    """Use as `async with Reading(session) as reading`. Closes the session at the end."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.events: list[ModelEvent] = []
        self.failure: BaseException | None = None
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        assert self.task is not None
        await asyncio.wait_for(self.task, 30)
        if self.failure is not None and kind is None:
            raise self.failure

    async def _read(self) -> None:
        try:
            async for event in self.session.events():
                self.events.append(event)
        except Exception as error:  # noqa: BLE001 - passed to the test that reads
            self.failure = error

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def audio(self) -> bytes:
        return b"".join(b64decode(event.payload) for event in self.of(AudioDelta))

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until the condition is true. On timeout, fail with the events so far."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(
                f"The condition did not become true in {seconds} s. Events: {self.events}. Failure: {self.failure!r}"
            ) from None

    async def until_seen(self, kind: type[ModelEvent], count: int = 1, seconds: float = 30) -> None:
        await self.until(lambda: len(self.of(kind)) >= count, seconds)

    async def until_failed(self, seconds: float = 30) -> BaseException:
        """Wait for the error that ends the events, and return it."""
        await self.until(lambda: self.failure is not None, seconds)
        failure, self.failure = self.failure, None
        assert failure is not None
        return failure

    async def say(self, frames: list[str], pause_seconds: float = 0.002) -> None:
        for frame in frames:
            await self.session.send_audio(frame)
            await asyncio.sleep(pause_seconds)
