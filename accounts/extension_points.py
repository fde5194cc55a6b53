"""What happens in other apps when an account is opened or deleted. Filled in `AppConfig.ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from bubblyphone.core.registry import Registry

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
