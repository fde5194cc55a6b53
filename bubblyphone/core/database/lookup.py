"""Looks up the row that a request refers to."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from bubblyphone.core.errors import NotFound

Row = TypeVar("Row", bound=Model)


def get_row(rows: QuerySet[Row], **named: object) -> Row:
    """The row with these values. Raises NotFound if it is not among `rows`."""
    row = rows.filter(**named).first()
    if row is None:
        raise NotFound("Not found.")
    return row
