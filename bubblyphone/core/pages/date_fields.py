"""Dates and times in query parameters of the API."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# An offset whose plus sign was not percent-encoded arrives as a space.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?[0-9]{2})")


_NO_DAY = "Must be a date as YYYY-MM-DD, like 2026-03-31."
_NO_TIME = "Must be a date like 2026-03-31, or a time like 2026-03-31T14:30:00Z."


class DayField(serializers.DateField):
    """A day as YYYY-MM-DD."""

    default_error_messages = {"invalid": _NO_DAY, "datetime": _NO_DAY}


@extend_schema_field({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]})
class DayOrTimeField(serializers.DateTimeField):
    """An ISO 8601 time, UTC unless it has an offset. A bare date is its first moment in UTC, with `end_of_day` its last."""

    default_error_messages = dict.fromkeys(("invalid", "date", "make_aware", "overflow"), _NO_TIME)

    def __init__(self, *, end_of_day: bool = False, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)
        self.end_of_day = end_of_day

    def to_internal_value(self, value: Any) -> datetime:
        text = str(value)
        if _DAY.fullmatch(text):
            try:
                day = date.fromisoformat(text)
            except ValueError:
                self.fail("invalid")
            return datetime.combine(day, time.max if self.end_of_day else time.min, UTC)
        return super().to_internal_value(_LOST_PLUS.sub(r"\1+\2", text))
