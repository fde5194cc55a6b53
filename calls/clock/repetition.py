"""The loop of the clock's tasks."""

import asyncio
import logging
from collections.abc import Callable

from calls.live.database_threads import in_database

logger = logging.getLogger(__name__)


async def repeat(work: Callable[[], None], every_seconds: float, failure: str) -> None:
    """Run `work` every `every_seconds` until canceled. If it raises, log `failure` and continue."""
    now = asyncio.get_running_loop().time
    while True:
        began = now()
        try:
            await in_database(work)
        except Exception:
            logger.exception(failure)
        await asyncio.sleep(max(0.0, began + every_seconds - now()))
