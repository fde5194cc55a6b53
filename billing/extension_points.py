"""What billing needs from calls and numbers. Filled in `AppConfig.ready`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.models import Developer
from billing.periods import Period
from bubblyphone.core.registry import Registry, Slot


@dataclass(frozen=True, slots=True)
class Hold:
    """What upcoming costs of one kind set aside of a balance, in USD, by developer's id.

    `at_most` never returns less than `exact`, and takes less time if there are many of them.
    """

    exact: Callable[[int], Decimal]
    at_most: Callable[[int], Decimal]


HOLDS: Registry[Hold] = Registry()

CREDIT_JOBS: Registry[Callable[[int], None]] = Registry()
"""Jobs that run when an account has received credit; called with the developer's id."""

ENTRY_WATCHERS: Registry[Callable[[int], None]] = Registry()
"""Called with the developer's id, in the transaction of every new ledger entry."""

USAGE_REPORT: Slot[Callable[[Developer, Period], dict[str, Any]]] = Slot("the usage report")
"""A developer's usage in a period: the response of GET /billing/usage."""

LEDGER_CHECKS: Registry[Callable[[], Iterator[str]]] = Registry()
"""Checks of `manage.py ledger verify` and of the nightly job. Each yields a line for every fault."""


@dataclass(frozen=True, slots=True)
class CapOwner:
    """An object with its own daily cap, such as an agent.

    The Limits page lists it under the title `group`. `name` is unique and names its form field. Caps and sums are in USD; None: no cap.
    `set_daily_cap` is called in a transaction.
    """

    group: str
    name: str
    label: str
    daily_cap: Decimal | None
    set_daily_cap: Callable[[Decimal | None], None]
    spent_today: Callable[[], Decimal]


CAP_OWNERS: Registry[Callable[[Developer], Iterable[CapOwner]]] = Registry()
"""Functions that find the objects with their own daily cap, one for each kind."""

SPENT_TODAY: Slot[Callable[[Developer], Decimal]] = Slot("the cost of an account's calls today")
"""In USD, since midnight UTC."""
