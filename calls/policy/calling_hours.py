"""Calling hours: when a number may be called, in the local time of every place where it could ring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers import timezone as number_zones

from bubblyphone.core.numbering.ranges import TEST_NUMBERS

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The next window in each zone is within a week; one more day covers the difference between zones.
SEARCHED_DAYS = 9
# Numbers that ring anywhere, or have no location.
WITHOUT_PLACE = {PhoneNumberType.TOLL_FREE, PhoneNumberType.UAN, PhoneNumberType.PERSONAL_NUMBER}


@dataclass(frozen=True, slots=True)
class CallingHours:
    """From `start` to `end`; `days` refer to the start, because an end before the start is on the next day."""

    start: time
    end: time
    days: frozenset[int]  # 0 is Monday

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "CallingHours":
        """`{"start": "09:00", "end": "20:00", "days": ["mon", …]}`; all days without `days`."""
        names = stored.get("days") or DAYS
        days = frozenset(DAYS.index(name) for name in names)
        return cls(time.fromisoformat(stored["start"]), time.fromisoformat(stored["end"]), days)

    def include(self, local: datetime) -> bool:
        """Whether a moment, in the local time of a zone, is within the hours."""
        today, clock = local.weekday(), local.time()
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        return (today in self.days and clock >= self.start) or ((today - 1) % 7 in self.days and clock < self.end)

    def next_opening(self, now: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
        """The next start in any zone that is within the hours of all zones, in UTC; None if there is never one.

        A start skipped by the clock (in spring) does not count, and one that occurs twice (in autumn) counts twice.
        """
        starts = sorted(start for zone in zones for start in self._starts(now.astimezone(zone)))
        later = (start for start in starts if start > now)
        return next((start for start in later if all(self.include(start.astimezone(zone)) for zone in zones)), None)

    def _starts(self, local: datetime) -> list[datetime]:
        days = [local.date() + timedelta(days=offset) for offset in range(-1, SEARCHED_DAYS)]
        starts = [datetime.combine(day, self.start, local.tzinfo) for day in days if day.weekday() in self.days]
        return [start.replace(fold=fold).astimezone(UTC) for start in starts for fold in (0, 1)]


def zones_of(e164: str, own_zone: str) -> list[ZoneInfo]:
    """Every time zone in which a number could ring; the account's own for a number without a location, such as a toll-free number."""
    number = phonenumbers.parse(e164)
    kind = phonenumbers.number_type(number)
    if kind in WITHOUT_PLACE or e164.startswith(TEST_NUMBERS):
        names: Sequence[str] = ()
    elif kind == PhoneNumberType.UNKNOWN:  # a fictional range: judged by the location of its first digits
        names = number_zones.time_zones_for_geographical_number(number)
    else:
        names = number_zones.time_zones_for_number(number)
    known = [name for name in names if name != number_zones.UNKNOWN_TIMEZONE]
    return [ZoneInfo(name) for name in known or [own_zone]]
