"""Inserts whose SQL is generated once per process; later only the values change.

When a few rows are written many times a second, `bulk_create` spends most of its CPU time on generating SQL and converting values.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Generic, TypeVar

import orjson
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import JSONField, Model

Row = TypeVar("Row", bound=Model)


class PreparedInsert(Generic[Row]):
    """Inserts rows of a model whose IDs come from the database and which has no JSON columns.

    The statement has one parameter, a JSON array of all rows, whose values PostgreSQL converts to the types of the columns. With `wakes`,
    it also notifies listeners on that channel at the commit.
    """

    def __init__(self, model: type[Row], wakes: str = "") -> None:
        self._model = model
        self._wakes = wakes

    def write(self, rows: Sequence[Row]) -> None:
        """Insert the rows in order and set their IDs. Raises TypeError if the model has JSON columns."""
        if not rows:
            return
        columns = self._columns
        values = orjson.dumps([{column: getattr(row, name) for column, name, _ in columns} for row in rows])
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [values.decode()])
            ids = cursor.fetchall()
        for row, (pk, *_) in zip(rows, ids, strict=True):
            row.pk = pk
            row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS

    @cached_property
    def _columns(self) -> list[tuple[str, str, str]]:
        """(column, attribute, type) of each. Types have no length: a cast would truncate a long text, which the column rejects."""
        fields = [field for field in self._model._meta.concrete_fields if not (field.primary_key or field.generated)]
        if any(isinstance(field, JSONField) for field in fields):
            raise TypeError("A prepared insert writes no JSON columns.")
        return [(str(field.column), field.attname, str(field.db_type(connection)).split("(")[0]) for field in fields]

    @cached_property
    def _sql(self) -> str:
        quote, meta = connection.ops.quote_name, self._model._meta
        columns = ", ".join(quote(column) for column, *_ in self._columns)
        types = ", ".join(f"{quote(column)} {kind}" for column, _, kind in self._columns)
        wake = f", pg_notify('{self._wakes}', '')" if self._wakes else ""
        return (
            f"INSERT INTO {quote(meta.db_table)} ({columns}) "  # noqa: S608  only names of tables and columns
            f"SELECT {columns} FROM json_to_recordset(%s::json) AS given ({types}) "
            f"RETURNING {quote(str(meta.pk.column))}{wake}"
        )
