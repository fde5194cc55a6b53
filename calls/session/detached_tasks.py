"""Work that outlives the session that started it: a request to a developer's server is not canceled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")
_tasks: set[asyncio.Task[Any]] = set()


def start(work: Coroutine[Any, Any, R], *, name: str | None = None) -> asyncio.Task[R]:
    """Run a task to its end. The caller need not keep a reference."""
    task = asyncio.create_task(work, name=name)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def finished(within_seconds: float) -> None:
    """Wait until all tasks have ended, for at most `within_seconds`. Includes tasks started meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while running := [task for task in _tasks if task.get_loop() is loop]:
        if loop.time() >= deadline:
            return
        await asyncio.wait(running, timeout=deadline - loop.time())
