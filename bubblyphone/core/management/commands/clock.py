"""`manage.py clock`: the process for everything triggered by time instead of requests."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any

import uvloop
from django.core.management.base import BaseCommand

from bubblyphone.core.background.clock_tasks import CLOCK_TASKS, ClockTask
from bubblyphone.core.database.kept_connections import keep_connections
from bubblyphone.core.network.descriptors import raise_descriptor_limit
from bubblyphone.core.registry import dotted_path

logger = logging.getLogger(__name__)

RESTART_AFTER_SECONDS = 1.0


class Command(BaseCommand):
    help = "Deliver webhooks, meter running calls, and close calls that were not closed properly. Runs until SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        raise_descriptor_limit()  # every unresponsive endpoint holds a socket for 10 s
        keep_connections()
        uvloop.run(run_until_stopped(list(CLOCK_TASKS)))


async def run_until_stopped(functions: Sequence[ClockTask]) -> None:
    """Run the coroutine functions until SIGTERM or SIGINT, then cancel them and wait for them."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(_keep_running(function), name=dotted_path(function)) for function in functions]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(function: ClockTask) -> None:
    path = dotted_path(function)
    while True:
        try:
            await function()
            logger.error("%s stopped unexpectedly and is being restarted", path)
        except Exception:  # one failing task must not end the others
            logger.exception("%s failed and is being restarted", path)
        await asyncio.sleep(RESTART_AFTER_SECONDS)
