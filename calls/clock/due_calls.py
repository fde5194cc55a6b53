"""Every second: dials scheduled calls that are due (`calls.control.scheduled_calls`)."""

import asyncio
from datetime import datetime
from functools import partial

from django.utils import timezone

from calls.clock.repetition import repeat
from calls.control import commands, scheduled_calls

PERIOD_SECONDS = 1.0


async def run() -> None:
    """Dial until canceled. Repeats run separately: a carrier that responds slowly to one does not delay calls that are due."""
    works = (dial_once, resume_once)
    await asyncio.gather(*(repeat(work, PERIOD_SECONDS, "Dialing scheduled calls failed") for work in works))


def dial_once(now: datetime | None = None) -> None:
    """Dial due calls. A call that cannot be dialed does not block the others."""
    now = now or timezone.now()
    commands.side_by_side(partial(scheduled_calls.dial_due, now=now), scheduled_calls.due(now))


def resume_once(now: datetime | None = None) -> None:
    """Dial again calls whose command was lost with its process."""
    commands.side_by_side(scheduled_calls.resume, scheduled_calls.lost(now or timezone.now()))
