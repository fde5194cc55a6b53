"""Work that a session begins and that goes on when the session has ended: a request to a developer's server is not cut off."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")
_tasks: set[asyncio.Task[Any]] = set()


def start(work: Coroutine[Any, Any, R], *, name: str | None = None) -> asyncio.Task[R]:
    """Run it to its end. Nobody has to hold the task."""
    task = asyncio.create_task(work, name=name)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def finished(within_seconds: float) -> None:
    """Wait until none of it runs any more, for `within_seconds` at most. Work that is started meanwhile counts."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while running := [task for task in _tasks if task.get_loop() is loop]:
        if loop.time() >= deadline:
            return
        await asyncio.wait(running, timeout=deadline - loop.time())
