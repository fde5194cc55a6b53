"""Lists, a page at a time: the page that a person sees, and rows for a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
PAGE_SIZE = 25  # rows that are shown
FILE_PAGE_SIZE = 500  # rows that are read at once for a file
MOST_COUNTED = 1_000  # rows
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """One page of a list that is newest first.

    `older` is the `?before=` of the next page, None on the last. `is_wrong`: the `?before=` is invalid, so there are no rows to show.
    """

    rows: list[Row]
    older: int | None
    is_first: bool
    is_wrong: bool = False


def read_id(text: str | None) -> int | None:
    """The id in a query or form; None if it is not a valid PostgreSQL id."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID))
    return number if is_number and (number := int(text or 0)) <= MAX_ID else None


def slice_of(
    rows: QuerySet[Row], before: str | None, moment: str = "", among: QuerySet[Row] | None = None
) -> Slice[Row]:
    """The page of `rows` after the row with the id `before`; the first page without one.

    With `moment`, rows are ordered by the time in that field, and the row is one of `among` (None: of `rows`).
    """
    boundary = read_id(before)
    wanted: Any = rows
    if boundary is not None and moment:
        among = rows if among is None else among
        at = among.filter(pk=boundary).values_list(moment, flat=True).first()
        boundary, wanted = (None, rows) if at is None else (boundary, rows.filter(beyond(moment, at, boundary, "lt")))
    elif boundary is not None:
        wanted = rows.filter(pk__lt=boundary)
    if before is not None and boundary is None:
        return Slice(rows=[], older=None, is_first=False, is_wrong=True)
    found: list[Row] = first_rows(wanted, newest_first(moment), PAGE_SIZE + 1)
    older = found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None
    return Slice(rows=found[:PAGE_SIZE], older=older, is_first=boundary is None)


def count_in_words(rows: QuerySet[Any], most: int = MOST_COUNTED) -> str:
    """The number of rows as text: "234", "more than 1,000", or "" for none. Reads at most `most` + 1 rows."""
    count = rows.order_by()[: most + 1].count()
    return f"more than {most:,}" if count > most else f"{count:,}" if count else ""


def newest_first(moment: str = "") -> list[str]:
    """The order of a list: by the time in that field, if there is one, and by the id."""
    return [f"-{moment}", "-pk"] if moment else ["-pk"]


def first_rows(rows: QuerySet[Row], order: Sequence[str], count: int) -> list[Row]:
    """The first rows in that order, looked up by ids that an index gives.

    Asked for the rows themselves, PostgreSQL walks the primary key back from the newest row of all accounts, since it expects every
    few of them to be a large account's. If that account was silent for long, there are none for very many rows.
    """
    return list(first_of(rows, order, count))


def first_of(rows: QuerySet[Row], order: Sequence[str], count: int) -> QuerySet[Row]:
    """The query of `first_rows`."""
    ids = rows.order_by(*order).values("pk")[:count]
    return rows.filter(pk__in=ids).order_by(*order)


def beyond(moment: str, at: datetime, boundary: Any, comparison: str) -> Q:
    """Rows past the one with the primary key `boundary`, whose time in the field `moment` is `at`; `comparison`: "lt" or "gt".

    The first condition says nothing new, but by it PostgreSQL finds them in an index.
    """
    further = Q(**{f"{moment}__{comparison}": at}) | Q(**{f"pk__{comparison}": boundary})
    return Q(**{f"{moment}__{comparison}e": at}) & further


def in_pages(rows: QuerySet[Any, Any], moment: str = "", *, newest_first: bool = False) -> Iterator[Any]:
    """Rows by id, or by the time in the field `moment` and then the id, some hundred at a time.

    No query stays open while they are sent, and no more than a page of them is in memory.
    """
    sign, comparison = ("-", "lt") if newest_first else ("", "gt")
    rows = rows.order_by(*([f"{sign}{moment}"] if moment else []), f"{sign}pk")
    further = Q()
    while page := list(rows.filter(further)[:FILE_PAGE_SIZE]):
        yield from page
        if len(page) < FILE_PAGE_SIZE:
            return
        last = page[-1]
        further = Q(**{f"pk__{comparison}": last.pk})
        if moment:
            further = beyond(moment, getattr(last, moment), last.pk, comparison)
