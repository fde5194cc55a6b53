"""Times in query parameters of the API, and as the order of a list."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

Row = TypeVar("Row", bound=Model)
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


def first_rows(rows: QuerySet[Row], order: Sequence[str], count: int) -> list[Row]:
    """The first rows in that order, looked up by ids that an index gives.

    Asked for the rows themselves, PostgreSQL walks the primary key back from the newest row of all accounts, since it expects every
    few of them to be a large account's. If that account was silent for long, there are none for very many rows.
    """
    ids = rows.order_by(*order).values("pk")[:count]
    return list(rows.filter(pk__in=ids).order_by(*order))


def beyond(moment: str, at: datetime, boundary: Any, comparison: str) -> Q:
    """Rows past the one with the primary key `boundary`, whose time in the field `moment` is `at`; `comparison`: "lt" or "gt".

    The first condition says nothing new, but by it PostgreSQL finds them in an index.
    """
    further = Q(**{f"{moment}__{comparison}": at}) | Q(**{f"pk__{comparison}": boundary})
    return Q(**{f"{moment}__{comparison}e": at}) & further
