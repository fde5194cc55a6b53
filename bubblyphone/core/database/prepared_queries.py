"""Queries whose SQL Django writes once per process; later only their values change.

Where the same query runs for every request, building it and writing its SQL is half of the request's CPU time (docs/benchmarks.md).

This is the only file that uses internals of Django's compiler. They are valid for the version in `PROVEN`; with another one, each query is
an ordinary QuerySet.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from django import VERSION
from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Lookup, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

from bubblyphone.core.pagination import first_of

Row = TypeVar("Row", bound=Model)
Value = int | str | list[int]
Converters = Mapping[int, tuple[Sequence[Callable[..., Any]], Any]]
logger = logging.getLogger(__name__)

PROVEN = (5, 2)  # major and minor version of Django
# Page sizes are part of the SQL, and clients choose them.
KEPT_VARIANTS = 64
_make_populators: Any = get_related_populators  # django-stubs describes it as in a later Django


def prove(installed: Sequence[int] = VERSION[:2]) -> bool:
    """Check at the start of a process whether queries can be prepared. If not, turn it off and log a warning."""
    PreparedQuery.is_on = tuple(installed) == PROVEN
    if not PreparedQuery.is_on:
        version = ".".join(map(str, installed))
        logger.warning("Django writes the SQL of keys and lists for every request: untested with Django %s", version)
    return PreparedQuery.is_on


class IsOneOf(Lookup):
    """`IsOneOf(F("column"), integers)` is like `column__in`, but its SQL is the same for any number of integers."""

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, column_values = self.process_lhs(compiler, connection)
        place, values = self.process_rhs(compiler, connection)
        return f"{column} = ANY(({place})::bigint[])", (*column_values, *values)


class PreparedQuery(Generic[Row]):
    """A query for rows of one model, with values that differ each time.

    `build` takes integers, texts, and lists of integers, and returns the QuerySet. It may only compare them with columns, a list with
    `IsOneOf`. It must not use other values that change, such as the time: they would keep the value of the first call.
    """

    is_on: ClassVar[bool] = VERSION[:2] == PROVEN

    def __init__(self, build: Callable[..., QuerySet[Row]]) -> None:
        self._build = build
        self._by_types: dict[tuple[type, ...], _Statement[Row]] = {}

    def fetch(self, *values: Value) -> list[Row]:
        if not self.is_on:
            return list(self._build(*values))
        types = tuple(map(type, values))
        statement = self._by_types.get(types)
        if statement is None:
            statement = self._by_types[types] = _prepare(self._build, types)
        return statement.fetch(values)


@dataclass(frozen=True, slots=True)
class _Slot:
    """In a query's parameters: the place of a value."""

    value: int


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
    if not {int, str, list}.issuperset(types):
        raise TypeError("The values of a prepared query are integers, texts, and lists of integers.")
    compiler, sql, parameters = _compile(build, types, 0)
    slots = {place: slot.value for place, slot in enumerate(parameters) if isinstance(slot, _Slot)}
    if set(slots.values()) != set(range(len(types))):
        raise ValueError("A prepared query compares each of its values with a column.")
    if _compile(build, types, 1)[1:] != (sql, parameters):
        raise ValueError("A prepared query uses nothing that changes but its values.")
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


def _compile(build: Callable[..., QuerySet[Row]], types: Sequence[type], variant: int) -> tuple[Any, str, list[Any]]:
    """The compiler, SQL, and parameters of the query, written with values that nothing else in it looks like; each variant has its own."""
    samples = [_sample(kind, variant, place) for place, kind in enumerate(types)]
    queryset: Any = build(*samples)
    if queryset._iterable_class is not ModelIterable or queryset._prefetch_related_lookups:
        raise ValueError("A prepared query returns model instances and prefetches nothing.")
    compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
    sql, parameters = compiler.as_sql()
    return compiler, sql, [_Slot(samples.index(found)) if found in samples else found for found in parameters]


def _sample(kind: type, variant: int, place: int) -> Value:
    if kind is str:
        return f"\N{SYMBOL FOR SUBSTITUTE}value {variant} {place}"
    number = 2**62 + 1000 * variant + place
    return number if kind is int else [number]


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
