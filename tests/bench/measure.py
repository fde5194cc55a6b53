"""The measurements: concurrent calls for some seconds, over a bare connection, the relay, the floor or the platform."""

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.frames import FRAME_SECONDS
from tests.bench.line import LOST, Line
from tests.bench.model import TURN_SECONDS, EchoModel
from tests.bench.system import cpu_seconds, trees

SETTLE_SECONDS = 1.0
# A frame that takes longer than this is lost.
LOST_AFTER_SECONDS = 2.0
OPENED_AT_ONCE = 4
ENDED_AT_ONCE = 8

OpenLine = Callable[[int], Awaitable[Line]]


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one measurement. Times are in seconds."""

    calls: int
    round_trips: list[float]
    frames: int
    lost: int
    repeated: int
    disordered: int
    cpu: list[float] = field(default_factory=list)  # user and system time of each watched process group

    def quantile(self, share: float) -> float:
        """The round trip that this share of the frames did not exceed."""
        return quantile(self.round_trips, share)

    @classmethod
    def together(cls, runs: Sequence["Run"]) -> "Run":
        """Combine repeated measurements: all frames, and the median CPU time."""
        frames = sum(run.frames for run in runs)
        medians = [median(run.cpu_ms_per_call_second(group) for run in runs) for group in range(len(runs[0].cpu))]
        return cls(
            calls=runs[0].calls,
            round_trips=[trip for run in runs for trip in run.round_trips],
            frames=frames,
            lost=sum(run.lost for run in runs),
            repeated=sum(run.repeated for run in runs),
            disordered=sum(run.disordered for run in runs),
            cpu=[each * frames * FRAME_SECONDS / 1000 for each in medians],
        )

    def cpu_ms_per_call_second(self, group: int = 0) -> float:
        """Relative to the frames that were really sent, so that a measurement that falls behind does not look cheap."""
        return self.cpu[group] * 1000 / (self.frames * FRAME_SECONDS) if self.frames else float("nan")


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank. NaN if there are no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def measure(open_line: OpenLine, calls: int, seconds: float, watched: Sequence[Sequence[int]] = ()) -> Run:
    """Run this many concurrent calls. Frames sent during `seconds` count, whenever they return."""
    lines = await begin(open_line, calls)
    try:
        with no_collections():
            await asyncio.sleep(SETTLE_SECONDS)
            return await observe(lines, seconds, watched)
    finally:
        await end(lines)


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Disables Python's garbage collection, whose pauses in the benchmark would count as the platform's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def observe(lines: Sequence[Line], seconds: float, watched: Sequence[Sequence[int]] = ()) -> Run:
    """Measure the frames that running calls send during `seconds`, and the CPU time of each group of processes meanwhile."""
    processes = [trees(group) for group in watched]
    cpu_before = [cpu_seconds(group) for group in processes]
    faults = sum(line.repeats for line in lines), sum(line.disorders for line in lines)
    first = [line.sent for line in lines]
    await asyncio.sleep(seconds)
    last = [line.sent for line in lines]
    cpu = [cpu_seconds(group) - before for group, before in zip(processes, cpu_before, strict=True)]
    windows = list(zip(lines, first, last, strict=True))
    await _wait_for_the_rest(windows)
    trips = [trip for line, start, end in windows for trip in line.round_trips[start:end]]
    return Run(
        calls=len(lines),
        round_trips=[trip for trip in trips if trip != LOST],
        frames=len(trips),
        lost=trips.count(LOST),
        repeated=sum(line.repeats for line in lines) - faults[0],
        disordered=sum(line.disorders for line in lines) - faults[1],
        cpu=cpu,
    )


async def _wait_for_the_rest(windows: Sequence[tuple[Line, int, int]]) -> None:
    """Wait until all frames of these (line, first, last) have returned, or the missing ones count as lost."""
    deadline = time.perf_counter() + LOST_AFTER_SECONDS
    while time.perf_counter() < deadline:
        if not any(LOST in line.round_trips[start:end] for line, start, end in windows):
            return
        await asyncio.sleep(0.05)


async def measure_interruptions(
    open_line: OpenLine, model: EchoModel, calls: int, seconds: float
) -> tuple[list[float], int]:
    """Seconds from the model's report of the caller's speech to `clear` at the carrier, and how many `clear` messages were missing."""
    lines = await begin(open_line, calls)
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        talks = [
            model.conversations[line.call].interruptions(seconds, delay=TURN_SECONDS * position / calls)
            for position, line in enumerate(lines)
        ]
        reported = await asyncio.gather(*talks)
        await asyncio.sleep(LOST_AFTER_SECONDS)
    finally:
        await end(lines)
    delays, missing = [], 0
    for line, reports in zip(lines, reported, strict=True):
        missing += abs(len(reports) - len(line.cleared_at))
        delays += [cleared - report for report, cleared in zip(reports, line.cleared_at, strict=False)]
    return delays, missing


async def begin(open_line: OpenLine, calls: int) -> list[Line]:
    """Open calls, a few at a time. Each sends its frames at a random phase, like independent calls; the phases are always the same."""
    turns = asyncio.Semaphore(OPENED_AT_ONCE)
    phases, epoch = random.Random(calls), time.perf_counter()
    offsets = [phases.random() * FRAME_SECONDS for _ in range(calls)]

    async def one(number: int) -> Line:
        async with turns:
            line = await open_line(number)
        line.start_sending(epoch + offsets[number])
        return line

    opened = await asyncio.gather(*(one(number) for number in range(calls)), return_exceptions=True)
    lines = [line for line in opened if isinstance(line, Line)]
    for failure in opened:
        if isinstance(failure, BaseException):
            await end(lines)
            raise failure
    return lines


async def end(lines: Sequence[Line]) -> None:
    """Hang up all calls."""
    turns = asyncio.Semaphore(ENDED_AT_ONCE)

    async def one(line: Line) -> None:
        async with turns:
            await line.close()

    for line in lines:
        line.stop_sending()
    await asyncio.gather(*(one(line) for line in lines))
