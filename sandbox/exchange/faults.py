"""What may be made to go wrong, for tests. All of it happens with real carriers; none of it by default here."""

import random
from dataclasses import dataclass, field
from typing import Literal

RestFault = int | Literal["hang", "garbage", "drop"]


@dataclass(slots=True)
class Faults:
    """Knobs, all off. They may be turned while the exchange runs.

    `duplicate`: the chance (0 to 1) that a webhook is delivered once more. `max_delay_seconds`: every delivery is held
    back a random time up to this. `reorder`: events of one call no longer wait for each other, so that delays change
    their order. `rest`: for the last word of a path ("calls", "answer", "number_orders" …) a status to answer with,
    "hang" (no answer), "garbage" (200 with a body that is no JSON) or "drop" (the connection is closed).
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
