"""Faults that tests can turn on. All of them happen with real carriers; none are on by default."""

import random
from dataclasses import dataclass, field
from typing import Literal

RestFault = int | Literal["hang", "garbage", "drop"]


@dataclass(slots=True)
class Faults:
    """Settings, all off. They can be changed while the exchange runs.

    `duplicate`: the chance (0 to 1) that a webhook is delivered twice. `max_delay_seconds`: every delivery is delayed
    by a random time up to this. `reorder`: events of one call no longer wait for each other, so delays change
    their order. `rest`: for the last segment of a path ("calls", "answer", "number_orders" …) a status to respond with,
    "hang" (no response), "garbage" (200 with a body that is not JSON) or "drop" (the connection is closed).
    """

    duplicate: float = 0.0
    max_delay_seconds: float = 0.0
    reorder: bool = False
    seed: int = 0
    rest: dict[str, RestFault] = field(default_factory=dict)
    dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def delay_seconds(self) -> float:
        return self.dice.uniform(0, self.max_delay_seconds) if self.max_delay_seconds else 0.0

    def is_duplicated(self) -> bool:
        return self.dice.random() < self.duplicate
