"""Sums of days and months that are over: they do not change, so they are summed up once and remembered for a day."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

Period = TypeVar("Period")
Sums = TypeVar("Sums")

# A transaction under way may write into a period this long after its end. Later writes report themselves (`has_changed`).
SETTLES = timedelta(hours=1)
REMEMBERED_SECONDS = 86_400


def recall(
    name: str,
    owner_id: int,
    periods: Iterable[Period],
    is_over: Callable[[Period], bool],
    sum_up: Callable[[list[Period]], Mapping[Period, Sums]],
) -> dict[Period, Sums]:
    """The sums of each period: `sum_up` is asked, in one go, for those that run still or are not remembered.

    `name` says what is summed up, and changes with the shape of its sums, which outlive a release; `is_over` whether
    a period ended at least SETTLES ago.
    """
    key = f"past:{owner_id}:{cache.get_or_set(_mark(owner_id), secrets.token_hex, REMEMBERED_SECONDS)}:{name}"
    known: dict[Period, Sums] = cache.get(key, {})
    wanted = list(periods)
    missing = [period for period in wanted if period not in known]
    found = known | dict(sum_up(missing)) if missing else known
    past = {period: found[period] for period in wanted if is_over(period)}
    if past.keys() != known.keys():
        cache.set(key, past, REMEMBERED_SECONDS)
    return {period: found[period] for period in wanted}


def has_changed(owner_id: int, moment: datetime) -> None:
    """Something was written that belongs to `moment`: if that is over, forget the owner's sums once the transaction is committed."""
    if moment <= timezone.now() - SETTLES:
        transaction.on_commit(lambda: cache.delete(_mark(owner_id)))


def _mark(owner_id: int) -> str:
    return f"past:{owner_id}"
