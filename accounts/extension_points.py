"""What accounts need from other apps: what happens when one is opened or deleted, and recording retention. Filled in `AppConfig.ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from accounts.models import Developer
from bubblyphone.core.registry import Registry, Slot

ACCOUNT_OPENED: Registry[Callable[[int], None]] = Registry()
"""Called with the developer's id, in the transaction of a registration."""


class DeletionPhase(IntEnum):
    """The order of an account's deletion: calls end before the numbers and model keys that they use are deleted."""

    PAYMENTS = 1
    CALLS = 2
    NUMBERS = 3
    AGENTS = 4


@dataclass(frozen=True, slots=True)
class DeletionStep:
    """`run` is called with the developer's id. It can be repeated, and raises ApplicationError while it cannot be done yet."""

    phase: DeletionPhase
    run: Callable[[int], None]


DELETION_STEPS: Registry[DeletionStep] = Registry()
"""Within a phase in the order of registration."""


@dataclass(frozen=True, slots=True)
class RecordingRetention:
    """How many days an account keeps its call recordings; None: until it deletes them."""

    max_days: int
    get: Callable[[Developer], int | None]
    set: Callable[[Developer, int | None], None]


RECORDING_RETENTION: Slot[RecordingRetention] = Slot("the retention of recordings")
