"""Caches totals of past days and months: they do not change, so each is computed once and cached for as long as it is read."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from django.core.cache import cache

from bubblyphone.core.redis.client import get_redis

Period = TypeVar("Period")
Sums = TypeVar("Sums")

# A period is remembered this long after its end.
SETTLES = timedelta(hours=1)
# What is written for a moment longer ago than this increments the owner's `sums_version`. A transaction that did not has the rest of
# SETTLES for its end: if it ended later, the sums without it would be remembered.
LATE = SETTLES / 2
REMEMBERED_SECONDS = 35 * 86_400


class Owner(Protocol):
    """The owner of the totals. `sums_version` is incremented in the transaction of every late change."""

    @property
    def pk(self) -> Any: ...

    @property
    def sums_version(self) -> int: ...


def forget() -> None:
    """Delete all cached totals, because the database was replaced. Raises RedisError."""
    client = get_redis()
    for key in client.scan_iter(match="*:past:*"):
        client.delete(key)


def recall(
    name: str,
    owner: Owner,
    periods: Iterable[Period],
    is_over: Callable[[Period], bool],
    sum_up: Callable[[list[Period]], Mapping[Period, Sums]],
) -> dict[Period, Sums]:
    """The sums of each period: `sum_up` is asked, in one go, for those that run still or are not remembered.

    `name` says what is summed up, and changes with the shape of its sums, which outlive a release; `owner` is read from the
    database in this request; `is_over` says whether a period ended at least SETTLES ago.
    """
    key = f"past:{owner.pk}:{name}"
    version, known = cache.get(key, (owner.sums_version, {}))
    if version != owner.sums_version:
        known = {}
    wanted = list(periods)
    missing = [period for period in wanted if period not in known]
    found = known | dict(sum_up(missing)) if missing else known
    past = {period: found[period] for period in wanted if is_over(period)}
    if past.keys() != known.keys():
        cache.set(key, (owner.sums_version, past), REMEMBERED_SECONDS)
    return {period: found[period] for period in wanted}
