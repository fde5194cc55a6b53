"""Database access from a live call's event loop: in separate threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

from bubblyphone.core.monitoring.logs import in_context

R = TypeVar("R")
THREADS = ThreadPoolExecutor(4, thread_name_prefix="live-call")


async def in_database(function: Callable[..., R], *arguments: Any, **options: Any) -> R:
    """Run a synchronous function that uses the database in a thread, off the loop that carries audio."""
    return await in_thread_of(THREADS, function, *arguments, **options)


async def in_thread_of(threads: ThreadPoolExecutor, function: Callable[..., R], *arguments: Any, **options: Any) -> R:
    """The same in other threads, for work that waits longer and must not delay live calls."""

    def run() -> R:
        try:
            return function(*arguments, **options)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(threads, in_context(run))
