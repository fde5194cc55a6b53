"""The clock that sends the benchmark's frames."""

import asyncio
import sys
import time
from functools import partial

import pytest
import uvloop

from tests.bench.frame_clock import FrameClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses a timer of Linux")


def test_callbacks_run_in_order_and_not_before_their_time() -> None:
    """Also one that is set for earlier than the next, one that is late already, and one that a callback sets."""
    began = time.perf_counter()
    run: list[tuple[str, bool]] = []

    async def main() -> None:
        done = asyncio.Event()
        with FrameClock() as clock:

            def note(name: str, due: float) -> None:
                run.append((name, time.perf_counter() >= due))
                if name == "second":
                    clock.call_at(due + 0.0003, partial(note, "third", due + 0.0003))
                if name == "last":
                    done.set()

            for name, after in (("last", 0.02), ("second", 0.0101), ("first", 0.01), ("late", -1.0)):
                clock.call_at(began + after, partial(note, name, began + after))
            async with asyncio.timeout(30):
                await done.wait()

    uvloop.run(main())
    assert run == [("late", True), ("first", True), ("second", True), ("third", True), ("last", True)]
