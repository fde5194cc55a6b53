"""A carrier that is slow or unreachable for one call does not delay the others."""

import time

from calls.control import commands


def test_work_for_many_calls_runs_in_parallel() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.3)
        if number == 3:
            raise OSError
        done.append(number)

    began = time.monotonic()
    commands.side_by_side(work, range(20))
    assert time.monotonic() - began < 3
    assert sorted(done) == [number for number in range(20) if number != 3]
    commands.side_by_side(work, [])
    commands.side_by_side(work, [7])
    assert done.count(7) == 2
