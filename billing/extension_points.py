"""What billing calls and cannot know: calls and numbers. Filled in `AppConfig.ready`."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from accounts.models import Developer
from billing.periods import Period
from bubblyphone.core.registry import Registry, Slot

HOLDS: Registry[Callable[[int], Decimal]] = Registry()
"""What is set aside of a balance, in USD, by developer's id."""

CREDIT_JOBS: Registry[Callable[[int], None]] = Registry()
"""Jobs that run when an account has received credit; called with the developer's id."""

ENTRY_WATCHERS: Registry[Callable[[int], None]] = Registry()
"""Called with the developer's id, in the transaction of every new ledger entry."""

USAGE_REPORT: Slot[Callable[[Developer, Period], dict[str, Any]]] = Slot("the usage report")
"""A developer's usage in a period: the response of GET /billing/usage."""

LEDGER_CHECKS: Registry[Callable[[], Iterator[str]]] = Registry()
"""Checks of `manage.py ledger verify` and of the nightly job. Each yields a line for every fault."""
