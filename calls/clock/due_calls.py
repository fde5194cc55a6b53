"""Every second: dials scheduled calls that are due (`calls.control.scheduled_calls`)."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.utils import timezone

from calls.control import commands, scheduled_calls
from calls.live.database_threads import in_database

logger = logging.getLogger(__name__)
PERIOD_SECONDS = 1.0


async def run() -> None:
    """Dial until canceled. Repeats run separately: a carrier that responds slowly to one does not delay calls that are due."""
    await asyncio.gather(_repeat(dial_once), _repeat(resume_once))


async def _repeat(work: Callable[[], None]) -> None:
    while True:
        try:
            await in_database(work)
        except Exception:
            logger.exception("Dialing scheduled calls failed")
        await asyncio.sleep(PERIOD_SECONDS)


def dial_once(now: datetime | None = None) -> None:
    """Dial due calls. A call that cannot be dialed does not block the others."""
    now = now or timezone.now()
    commands.side_by_side(partial(scheduled_calls.dial_due, now=now), scheduled_calls.due(now))


def resume_once(now: datetime | None = None) -> None:
    """Dial again calls whose command was lost with its process."""
    commands.side_by_side(scheduled_calls.resume, scheduled_calls.lost(now or timezone.now()))
