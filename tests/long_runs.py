"""How often tests repeat similar cases: a sample by default, all of them with `LONG_TESTS=1`."""

import os

IS_LONG = os.environ.get("LONG_TESTS", "") not in ("", "0")


def how_many(sample: int, *, long: int) -> int:
    """`sample`, or `long` in a long run."""
    return long if IS_LONG else sample
