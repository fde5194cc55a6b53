"""How much is measured, and what is said about it."""

from dataclasses import dataclass

# What runs next to calls gets a third of what they get of a core that both want: as with `make run`. The units of deploy/ leave it less.
OTHERS_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """How many calls, for how long, how often."""

    levels: tuple[int, ...] = (1, 20, 50, 100)
    wide: tuple[int, ...] = (150, 250)
    interrupted: int = 50  # calls whose callers interrupt the model
    seconds: float = 3.0
    repeats: int = 3
    calls: int = 20  # where one way of calling is compared with another
    memory_calls: int = 50
    answering_seconds: float = 10.0
    api_requests: int = 2550  # for each of two measurements; more would be refused by the rate limit of the keys
    beside_calls: int = 50
    beside_rows: int = 100_000  # past calls of the account whose pages are opened
    beside_seconds: float = 4.0
    # Media processes, and calls on them.
    spread: tuple[tuple[int, int], ...] = ((1, 25), (1, 75), (1, 125), (2, 50), (2, 100), (2, 150))


SMOKE = Scale(
    levels=(20,), wide=(8,), interrupted=20, seconds=2.0, repeats=1, calls=5, memory_calls=5, answering_seconds=1.0, api_requests=300,
    beside_calls=5, beside_rows=200, beside_seconds=1.0, spread=((1, 2), (1, 6), (2, 4), (2, 8)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence in Markdown, and the target that was missed, if any."""

    text: str
    missed: str = ""


def judged(text: str, value: float, limit: float, what: str) -> Finding:
    """A finding whose value must not be above the limit."""
    return Finding(text, "" if value <= limit else f"{what}: {value:.1f}, the target is {limit:g}.")
