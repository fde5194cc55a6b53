"""Whether calls cost more CPU: the web process relative to the floor in the same run, compared with the recorded ratio."""

from collections.abc import Awaitable, Callable
from statistics import median

from tests.bench.measure import Run

# CPU of the web process ÷ the floor's, by calls at once. Five pairs on a quiet machine gave 2.2 to 3.5, median 2.76; this leaves room
# for a machine at work. Lower it when a change has earned it.
RECORDED = {20: 3.0}
WORSE = 1.25
TRIES = 3
# Half of the floor's frames are back in a fraction of this. Where they are not, the machine was busy with something else: waiting
# frames are then handled together, and the CPU times say nothing.
STARVED_SECONDS = 0.005

Pair = tuple[Run, Run]  # the floor and the platform, one after the other


def cost(floor: Run, platform: Run) -> float | None:
    """How many times the floor's CPU the platform took; None when the machine had no time for both."""
    if max(floor.quantile(0.5), platform.quantile(0.5)) > STARVED_SECONDS:
        return None
    return platform.cpu_ms_per_call_second() / floor.cpu_ms_per_call_second()


async def judge_cost(first: Pair, again: Callable[[], Awaitable[Pair]]) -> list[str]:
    """What is to be said about the cost: nothing once a try is near the record, or when too few of three tries can be judged."""
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
        f"FAILED: at {calls} calls the platform takes {tries} × the CPU of the floor; on record is {RECORDED[calls]:g}."
    ]


def compare(pairs: list[Pair]) -> str:
    """One line about a change, of runs of both ways in turn: the medians, beside the record."""
    calls = pairs[0][0].calls
    judged = [ratio for pair in pairs if (ratio := cost(*pair)) is not None]
    if not judged:
        return "The machine was too busy to judge: measure again."
    p99 = [[run.quantile(0.99) * 1000 for run in pair] for pair in pairs]
    floor_p99, own_p99 = (median(column) for column in zip(*p99, strict=True))
    return (
        f"{calls} calls: {median(judged):.2f} × the CPU of the floor (on record {RECORDED[calls]:g}; {len(judged)} of {len(pairs)} "
        f"runs), round trip p99 {own_p99:.2f} ms by {floor_p99:.2f} ms."
    )
