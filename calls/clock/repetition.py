"""How the clock's tasks repeat their work."""

import asyncio
import logging
from collections.abc import Callable

from calls.live.database_threads import in_database

logger = logging.getLogger(__name__)


async def repeat(work: Callable[[], None], every_seconds: float, failure: str) -> None:
    """Do it every so many seconds until canceled. If it fails, log `failure` and continue."""
    now = asyncio.get_running_loop().time
    while True:
        began = now()
        try:
            await in_database(work)
        except Exception:
            logger.exception(failure)
        await asyncio.sleep(max(0.0, began + every_seconds - now()))
