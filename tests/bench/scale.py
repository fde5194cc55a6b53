"""How much is measured, and the form of its results."""

from dataclasses import dataclass

# On a busy core, other work with this niceness gets a third of what the calls get, as with `make run`. The units of deploy/ give it less.
OTHER_WORK_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """How many calls, for how long, how often."""

    levels: tuple[int, ...] = (1, 20, 50, 100)
    capacity: tuple[int, ...] = (150, 250)
    interrupted: int = 50  # calls whose callers interrupt the model
    seconds: float = 3.0
    repeats: int = 3
    calls: int = 20  # where one way of calling is compared with another
    memory_calls: int = 50
    answering_seconds: float = 10.0
    api_requests: int = 2550  # for each of two measurements; more would be refused by the rate limit of the keys
    contention_calls: int = 50
    contention_past_calls: int = 100_000  # past calls of the account whose pages are opened
    contention_seconds: float = 4.0
    # Pairs of media processes and calls on all of them together.
    spread: tuple[tuple[int, int], ...] = ((1, 25), (1, 75), (1, 125), (2, 50), (2, 100), (2, 150))


SMOKE = Scale(
    levels=(20,), capacity=(8,), interrupted=20, seconds=2.0, repeats=1, calls=5, memory_calls=5, answering_seconds=1.0, api_requests=300,
    contention_calls=5, contention_past_calls=200, contention_seconds=1.0, spread=((1, 2), (1, 6), (2, 4), (2, 8)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence in Markdown, and the target that was missed, if any."""

    text: str
    missed: str = ""


def judged(text: str, value: float, limit: float, what: str) -> Finding:
    """A finding whose value must not be above the limit."""
    return Finding(text, "" if value <= limit else f"{what}: {value:.1f}, the target is {limit:g}.")
