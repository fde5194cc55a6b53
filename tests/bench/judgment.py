"""Detects that calls use more CPU: compares the media process with the floor in the same run, and the ratio with the recorded one."""

from collections.abc import Awaitable, Callable
from statistics import median

from tests.bench.measure import Run

# CPU of the process with the calls ÷ CPU of the floor, by concurrent calls. Five pairs with the calls in the media process of a quiet
# machine gave 1.5 to 2.5, median 2.22. This leaves room for a busy machine. Lower it when a change makes calls cheaper.
RECORDED = {20: 2.5}
WORSE = 1.25
TRIES = 3
# On a quiet machine, half of the floor's frames return in a fraction of this. If they do not, the machine was busy: waiting frames were
# then processed together, and the CPU times are meaningless.
STARVED_SECONDS = 0.005

Pair = tuple[Run, Run]  # the floor, then the platform


def cost(floor: Run, platform: Run) -> float | None:
    """The platform's CPU as a multiple of the floor's, or None if the machine was too busy."""
    if max(floor.quantile(0.5), platform.quantile(0.5)) > STARVED_SECONDS:
        return None
    return platform.cpu_ms_per_call_second() / floor.cpu_ms_per_call_second()


async def judge_cost(first: Pair, again: Callable[[], Awaitable[Pair]]) -> list[str]:
    """Failures of the CPU comparison: none if one try is near the record, or if too few of the three tries can be judged."""
    calls = first[0].calls
    limit = RECORDED[calls] * WORSE
    ratios = [cost(*first)]
    while len(ratios) < TRIES and (ratios[-1] is None or ratios[-1] > limit):
        ratios.append(cost(*await again()))
    judged = [ratio for ratio in ratios if ratio is not None]
    if len(judged) < TRIES - 1 or min(judged) <= limit:
        return []
    tries = ", ".join(f"{ratio:.2f}" for ratio in judged)
    return [
        f"FAILED: at {calls} calls, the platform takes {tries} × the CPU of the floor. The record is {RECORDED[calls]:g}."
    ]


def compare(pairs: list[Pair]) -> str:
    """A one-line summary of alternating runs: the medians, and the recorded ratio."""
    calls = pairs[0][0].calls
    judged = [ratio for pair in pairs if (ratio := cost(*pair)) is not None]
    if not judged:
        return "The machine was too busy. Measure again."
    p99 = [[run.quantile(0.99) * 1000 for run in pair] for pair in pairs]
    floor_p99, own_p99 = (median(column) for column in zip(*p99, strict=True))
    return (
        f"{calls} calls: {median(judged):.2f} × the CPU of the floor (record {RECORDED[calls]:g}; {len(judged)} of {len(pairs)} "
        f"runs), round trip p99 {own_p99:.2f} ms, floor {floor_p99:.2f} ms."
    )
