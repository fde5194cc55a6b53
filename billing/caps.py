"""The limits of a whole account. Developers set them up to the account's ceilings, which only staff raise."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Developer
from billing.models import SpendingCap
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.money import format_money

FIELDS = frozenset({"daily_cap", "max_concurrent_calls", "max_calls_per_caller_per_hour"})
CEILINGS = {"daily_cap": "daily_cap_ceiling", "max_concurrent_calls": "concurrent_calls_ceiling"}


def limits_of(developer: Developer) -> SpendingCap:
    """The account's limits; an unsaved, empty row if none are set."""
    return SpendingCap.objects.filter(developer=developer).first() or SpendingCap(developer=developer)


def set_defaults(developer_id: int) -> None:
    """The limits a new account starts with, which are also its ceilings (accounts.extension_points.ACCOUNT_OPENED)."""
    daily_cap, max_calls = settings.NEW_ACCOUNT_DAILY_CAP, settings.NEW_ACCOUNT_MAX_CALLS
    if daily_cap is not None or max_calls is not None:
        limits = SpendingCap(developer_id=developer_id, daily_cap=daily_cap, max_concurrent_calls=max_calls)
        set_ceilings(limits, CEILINGS)
        limits.save()


@transaction.atomic
def set_limits(*, developer: Developer, changes: Mapping[str, Any]) -> SpendingCap:
    """Change the limits named in `changes` (FIELDS); None means no limit.

    Applies to the next call, and to running calls within a second. Raises InvalidRequest for a value above the account's ceiling, without
    changing anything.
    """
    if unknown := changes.keys() - FIELDS:
        raise TypeError(f"no such limits: {', '.join(sorted(unknown))}")
    SpendingCap.objects.get_or_create(developer=developer)
    limits = SpendingCap.objects.select_for_update().get(developer=developer)
    if errors := above_ceilings(limits, changes):
        raise InvalidRequest(errors)
    for name, value in changes.items():
        setattr(limits, name, value)
    limits.save()
    return limits


def above_ceilings(limits: SpendingCap, changes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Fields that the developer cannot set to these values: above the ceiling, or no limit where there is a ceiling."""
    return {
        name: [f"Must be at most {ceiling}. Contact support to raise it."]
        for name, value in changes.items()
        if (ceiling := ceiling_text(limits, name)) and (value is None or value > getattr(limits, CEILINGS[name]))
    }


def ceiling_text(limits: SpendingCap, name: str) -> str:
    """The highest value that the developer can set, like "$25.00" or "10"; empty without a ceiling."""
    ceiling = getattr(limits, CEILINGS[name], None) if name in CEILINGS else None
    if ceiling is None:
        return ""
    return f"${format_money(ceiling)}" if name == "daily_cap" else str(ceiling)


def set_ceilings(limits: SpendingCap, names: Iterable[str]) -> None:
    """A limit set by staff becomes the highest value that the developer can set; no limit means no ceiling. Does not save."""
    for name in CEILINGS.keys() & set(names):
        setattr(limits, CEILINGS[name], getattr(limits, name))
