"""Months and days for accounting: UTC, from midnight to midnight."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.redis import period_cache

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month, or a day; `end` is the first moment after it."""

    name: str
    start: datetime
    end: datetime

    def days(self, until: date) -> Iterator[date]:
        """Its days in order, none after `until`."""
        day = self.start.date()
        while day < self.end.date() and day <= until:
            yield day
            day += timedelta(days=1)


def month_of(moment: datetime) -> Period:
    """The month that a moment falls into."""
    start = datetime(moment.astimezone(UTC).year, moment.astimezone(UTC).month, 1, tzinfo=UTC)
    length = timedelta(days=calendar.monthrange(start.year, start.month)[1])
    return Period(name=start.strftime("%Y-%m"), start=start, end=start + length)


def day_of(day: date) -> Period:
    """A day as a period."""
    return Period(name=day.isoformat(), start=start_of_day(day), end=start_of_day(day + timedelta(days=1)))


def read_month(text: str | None, now: datetime) -> Period:
    """`YYYY-MM`; the current month if empty. Raises InvalidRequest."""
    if text is None:
        return month_of(now)
    if not (found := _MONTH.fullmatch(text)):
        raise InvalidRequest({"period": ["Must be a month as YYYY-MM, like 2026-03."]})
    return month_of(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC))


def is_past(day: date, now: datetime) -> bool:
    """Whether its sums can be cached (`core.redis.period_cache`)."""
    return start_of_day(day) + timedelta(days=1) <= now - period_cache.SETTLES


def start_of_day(day: date) -> datetime:
    """Midnight, UTC."""
    return datetime.combine(day, time.min, UTC)


def add_months(anchor: datetime, months: int) -> datetime:
    """The same day and time some months later; where the month is too short, its last day.

    Counted from the anchor each time, so that the 31st does not stay on the 28th after a February.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, last_day))
