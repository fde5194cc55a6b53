"""Calls count as more expensive only if every try on a machine with spare time shows it."""

import pytest

from tests.bench.judgment import RECORDED, STARVED_SECONDS, Pair, judge_cost
from tests.bench.measure import Run

QUICK, SLOW = STARVED_SECONDS / 5, STARVED_SECONDS * 2
GOOD, BAD = RECORDED[20] * 1.24, RECORDED[20] * 1.26


def tried(ratio: float, round_trip: float = QUICK) -> Pair:
    """A try in which the platform took this multiple of the floor's CPU."""
    floor, platform = (Run(20, [round_trip] * 50, 50, 0, 0, 0, [cpu]) for cpu in (0.01, 0.01 * ratio))
    return floor, platform


@pytest.mark.parametrize(
    ("tries", "measured", "is_worse"),
    [
        ([tried(GOOD)], 1, False),
        ([tried(BAD), tried(GOOD)], 2, False),
        ([tried(BAD), tried(BAD), tried(BAD)], 3, True),
        ([tried(BAD, SLOW), tried(GOOD)], 2, False),
        ([tried(BAD, SLOW), tried(BAD), tried(BAD)], 3, True),
        ([tried(BAD, SLOW), tried(BAD), tried(BAD, SLOW)], 3, False),
        ([tried(GOOD, SLOW), tried(GOOD, SLOW), tried(GOOD, SLOW)], 3, False),
    ],
)
async def test_a_higher_cost_fails_only_if_every_valid_try_shows_it(
    tries: list[Pair], measured: int, is_worse: bool
) -> None:
    done = list(tries)

    async def again() -> Pair:
        return done.pop(0)

    failures = await judge_cost(done.pop(0), again)
    assert len(tries) - len(done) == measured
    assert bool(failures) is is_worse
