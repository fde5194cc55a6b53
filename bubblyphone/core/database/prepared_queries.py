"""Queries whose SQL Django writes once per process; later only their values change.

Building a query and writing its SQL costs Django several times what PostgreSQL and the driver need to run it. That is worth saving where
the same query runs for every request.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

from bubblyphone.core.pagination import first_of

Row = TypeVar("Row", bound=Model)
Value = int | str
Converters = Mapping[int, tuple[Sequence[Callable[..., Any]], Any]]
# Values that stand for the real ones while the SQL is written. Nothing else in a query looks like them.
_INTEGER = 2**62
_TEXT = "\N{SYMBOL FOR SUBSTITUTE}value {}"
# Page sizes are part of the SQL, and clients choose them.
KEPT_VARIANTS = 64
_make_populators: Any = get_related_populators  # django-stubs describes it as in a later Django


class PreparedQuery(Generic[Row]):
    """A query for rows of one model, with values that differ each time.

    `build` returns its QuerySet for integers and texts, which it may only compare with columns. What else it uses, such as the time,
    stays as it was at the first call.
    """

    def __init__(self, build: Callable[..., QuerySet[Row]]) -> None:
        self._build = build
        self._by_types: dict[tuple[type, ...], _Statement[Row]] = {}

    def fetch(self, *values: Value) -> list[Row]:
        types = tuple(map(type, values))
        statement = self._by_types.get(types)
        if statement is None:
            statement = self._by_types[types] = _prepare(self._build, types)
        return statement.fetch(values)


@dataclass(frozen=True, slots=True)
class _Statement(Generic[Row]):
    """`slots` has the place among the values for each parameter that is one of them."""

    sql: str
    parameters: Sequence[Any]
    slots: Mapping[int, int]
    model: type[Row]
    columns: slice
    names: frozenset[str]
    converters: Converters
    related: Sequence[Any]
    annotations: Mapping[str, int]

    def fetch(self, values: Sequence[Value]) -> list[Row]:
        parameters = list(self.parameters)
        for place, value in self.slots.items():
            parameters[place] = values[value]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            return [self._make(row) for row in cursor.fetchall()]

    def _make(self, row: Sequence[Any]) -> Row:
        """As Django's ModelIterable does."""
        if self.converters:
            row = list(row)
            for place, (converters, expression) in self.converters.items():
                for convert in converters:
                    row[place] = convert(row[place], expression, connection)
        made = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[self.columns])
        for populator in self.related:
            populator.populate(row, made)
        for name, place in self.annotations.items():
            setattr(made, name, row[place])
        return made


def _prepare(build: Callable[..., QuerySet[Row]], types: Sequence[type]) -> _Statement[Row]:
    samples = [_INTEGER + place if kind is int else _TEXT.format(place) for place, kind in enumerate(types)]
    queryset: Any = build(*samples)
    compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
    sql, parameters = compiler.as_sql()
    slots = {place: samples.index(value) for place, value in enumerate(parameters) if value in samples}
    if set(slots.values()) != set(range(len(samples))):
        raise ValueError("A prepared query compares each of its values with a column.")
    if queryset._iterable_class is not ModelIterable or queryset._prefetch_related_lookups:
        raise ValueError("A prepared query returns model instances and prefetches nothing.")
    info, select = compiler.klass_info, compiler.select
    columns = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
    return _Statement(
        sql=sql,
        parameters=parameters,
        slots=slots,
        model=info["model"],
        columns=columns,
        # A set, because `from_db` looks each column of the model up in it.
        names=frozenset(column.target.attname for column, *_ in select[columns]),
        converters=compiler.get_converters([column for column, *_ in select]),
        related=_make_populators(info, select, DEFAULT_DB_ALIAS),
        annotations=compiler.annotation_col_map or {},
    )


class PreparedList(Generic[Row]):
    """The rows of an account that a list of the API shows, by id. `rows_of` returns them for an account, of which it uses only the id."""

    def __init__(self, rows_of: Callable[[Any], QuerySet[Row]]) -> None:
        self._rows_of = rows_of
        self._query = lru_cache(KEPT_VARIANTS)(self._make_query)

    def of(self, account_id: int) -> "AccountRows[Row]":
        return AccountRows(self, account_id)

    def fetch(self, account_id: int, order: str, comparison: str, boundary: int | None, count: int) -> list[Row]:
        if boundary is None:
            return self._query(order, "", count).fetch(account_id)
        return self._query(order, comparison, count).fetch(account_id, boundary)

    def _make_query(self, order: str, comparison: str, count: int) -> PreparedQuery[Row]:
        def build(account_id: int, *boundary: int) -> QuerySet[Row]:
            rows = self._rows_of(get_user_model()(pk=account_id))
            if boundary:
                rows = rows.filter(**{f"id__{comparison}": boundary[0]})
            return first_of(rows, [order], count)

        return PreparedQuery(build)


@dataclass(frozen=True, slots=True)
class AccountRows(Generic[Row]):
    """A `PreparedList` of one account."""

    rows: PreparedList[Row]
    account_id: int

    def first(self, order: str, comparison: str, boundary: int | None, count: int) -> list[Row]:
        """The first rows in that order, past the one with the id `boundary`, if there is one; `comparison`: "lt" or "gt"."""
        return self.rows.fetch(self.account_id, order, comparison, boundary, count)
