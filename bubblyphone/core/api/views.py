"""What the API's views share: validating requests, the envelope of responses, and lists."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from bubblyphone.core.api.json_types import type_problem
from bubblyphone.core.api.readable_body import UNKNOWN_FIELD
from bubblyphone.core.database.prepared_queries import AccountRows
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.pagination import beyond, first_rows

Row = TypeVar("Row", bound=Model)
# The query parameters of a list that choose a page.
PAGE_PARAMETERS = frozenset({"per_page", "cursor"})
NOT_OUR_CURSOR = "Invalid cursor."


# --- requests and responses -------------------------------------------------------------------------------------------
class StrictSerializer(serializers.Serializer[Any]):
    """A serializer for request bodies: an unknown field, or one of another JSON type, is an error that names it."""

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            known = {name: field for name, field in self.fields.items() if not field.read_only}
            errors = {name: [UNKNOWN_FIELD] for name in data if name not in known}
            problems = {name: type_problem(known[name], value) for name, value in data.items() if name in known}
            errors |= {name: [problem] for name, problem in problems.items() if problem}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            if isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **errors}) from error
            raise
        if errors:
            raise ValidationError(errors)
        return values


def validated(serializer_class: type[serializers.Serializer[Any]], request: Request, **options: Any) -> dict[str, Any]:
    """Validate the request's body with a serializer. Raises DRF's ValidationError, which becomes a 422."""
    serializer = serializer_class(data=request.data, **options)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def validated_query(serializer_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The same for the query parameters."""
    serializer = serializer_class(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def format_time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the second, with `Z`; None stays None."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # A page of calls has a hundred times; `isoformat` takes twice as long.
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % parts  # noqa: UP031  f-strings take longer


def data(content: Any, *, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """The envelope of a success: `{"data": …}`, with `warnings` next to it if there are any."""
    return Response({"data": content, **({"warnings": list(warnings)} if warnings else {})}, status=status)


# --- lists ------------------------------------------------------------------------------------------------------------
class NewestFirstPagination(BasePagination):
    """Lists with a cursor over the id: stable while rows are added.

    `?per_page=` 1 to 100 (25), `?cursor=`. With `moment` they are ordered by the time in that field and then the id, and a cursor is the
    id of one of `among` (None: the list itself).
    """

    default_size: ClassVar[int] = 25
    largest_size: ClassVar[int] = 100
    descends: ClassVar[bool] = True  # whether the largest comes first

    def __init__(self, moment: str = "", among: QuerySet[Any] | None = None) -> None:
        self.order = (moment, "id") if moment else ("id",)
        self._moment, self._among = moment, among

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """One page of a QuerySet whose primary key is `id`, or of AccountRows."""
        size = self.read_size(request)
        backward, boundary = self._read_cursor(request)
        rows = self._read_rows(queryset, self.descends != backward, boundary, size + 1)
        has_more = len(rows) > size
        rows = rows[:size]
        came_from = boundary is not None and bool(rows)
        if backward:
            rows.reverse()
        has_next, has_previous = (came_from, has_more) if backward else (has_more, came_from)
        self._request, self._size = request, size
        self._next = _write_cursor("n", rows[-1].pk) if has_next else None
        self._previous = _write_cursor("p", rows[0].pk) if has_previous else None
        return rows

    def _read_rows(self, rows: Any, descends: bool, boundary: int | None, count: int) -> list[Any]:
        sign, comparison = ("-", "lt") if descends else ("", "gt")
        if isinstance(rows, AccountRows):
            return rows.first(f"{sign}id", comparison, boundary, count)
        page = rows if boundary is None else rows.filter(self._beyond(rows, boundary, comparison))
        return first_rows(page, [f"{sign}{name}" for name in self.order], count)

    def _beyond(self, queryset: Any, boundary: int, comparison: str) -> Q:
        if not self._moment:
            return Q(**{f"id__{comparison}": boundary})
        among = queryset if self._among is None else self._among
        at = among.filter(pk=boundary).values_list(self._moment, flat=True).first()
        if at is None:
            raise InvalidRequest({"cursor": [NOT_OUR_CURSOR]})
        return beyond(self._moment, at, boundary, comparison)

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "data": data,
                "meta": {"per_page": self._size, "next_cursor": self._next, "prev_cursor": self._previous},
                "links": {"next": self._link(self._next), "prev": self._link(self._previous)},
            }
        )

    def _link(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        url = remove_query_param(self._request.build_absolute_uri(), "cursor")
        return str(replace_query_param(url, "cursor", cursor))

    def read_size(self, request: Request) -> int:
        """`per_page`, or the default. Raises InvalidRequest."""
        text = request.query_params.get("per_page", str(self.default_size))
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= self.largest_size):
            raise InvalidRequest({"per_page": [f"Must be a whole number from 1 to {self.largest_size}."]})
        return int(text)

    def _read_cursor(self, request: Request) -> tuple[bool, int | None]:
        text = request.query_params.get("cursor")
        if text is None:
            return False, None
        try:
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            decoded = ""
        direction, _, boundary = decoded.partition(":")
        if direction not in ("n", "p") or not boundary.isdecimal() or len(boundary) > 18:
            raise InvalidRequest({"cursor": [NOT_OUR_CURSOR]})
        return direction == "p", int(boundary)


class OldestFirstPagination(NewestFirstPagination):
    """Events of a call, oldest first by the time in `moment`: ids follow the order of writing, which can differ.

    Such lists are read as a whole, so a page has the maximum size by default.
    """

    default_size = NewestFirstPagination.largest_size
    descends = False


def _write_cursor(direction: str, boundary: int) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{boundary}".encode()).decode().rstrip("=")


def page_of(
    request: Request,
    rows: "QuerySet[Row] | AccountRows[Row]",
    present: Callable[[Row], Any],
    paginator: NewestFirstPagination | None = None,
) -> Response:
    """One page of `rows`, each converted by `present`, newest first unless another paginator is given, which needs a QuerySet."""
    paginator = paginator or NewestFirstPagination()
    return paginator.get_paginated_response([present(row) for row in paginator.paginate_queryset(rows, request)])
