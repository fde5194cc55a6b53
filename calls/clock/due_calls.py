"""Every second: dials scheduled calls that are due (`calls.control.scheduled_calls`)."""

import asyncio
import logging
from datetime import datetime
from functools import partial

from django.utils import timezone

from calls.control import commands, scheduled_calls
from calls.live.database_threads import in_database

logger = logging.getLogger(__name__)
PERIOD_SECONDS = 1.0


async def run() -> None:
    """Dial until canceled."""
    while True:
        try:
            await in_database(dial_once)
        except Exception:
            logger.exception("Dialing scheduled calls failed")
        await asyncio.sleep(PERIOD_SECONDS)


def dial_once(now: datetime | None = None) -> None:
    """Dial due calls. A call that cannot be dialed does not block the others."""
    now = now or timezone.now()
    commands.side_by_side(partial(scheduled_calls.dial_due, now=now), scheduled_calls.due(now))
    scheduled_calls.resume(now)
