"""The limits of a whole account."""

from collections.abc import Mapping
from typing import Any

from accounts.models import Developer
from billing.models import SpendingCap

FIELDS = frozenset({"daily_cap", "max_concurrent_calls", "max_calls_per_caller_per_hour"})


def limits_of(developer: Developer) -> SpendingCap:
    """Those that are set; an unsaved row without any where nobody has set one."""
    return SpendingCap.objects.filter(developer=developer).first() or SpendingCap(developer=developer)


def set_limits(*, developer: Developer, changes: Mapping[str, Any]) -> SpendingCap:
    """Change what `changes` names (FIELDS); None is no limit. They hold from the next call and the next second on."""
    if unknown := changes.keys() - FIELDS:
        raise TypeError(f"no such limits: {', '.join(sorted(unknown))}")
    limits, _ = SpendingCap.objects.update_or_create(developer=developer, defaults=dict(changes))
    return limits
