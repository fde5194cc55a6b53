"""Background tasks: they end with the exchange, and failures are logged."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class Tasks:
    """A set of running tasks. `close()` cancels the remaining tasks and waits for them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("task %s failed", task.get_name(), exc_info=error)

    async def settle(self, name: str, seconds: float) -> None:
        """Wait until the tasks with this name have ended, at most this long."""
        named = [task for task in self._running if task.get_name() == name]
        if named:
            await asyncio.wait(named, timeout=seconds)

    async def close(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
