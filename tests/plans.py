"""What PostgreSQL reads to answer a request: for tests of indexes, which would otherwise depend on the time that a query takes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Reading:
    """The statements of a request, the indexes they use, and the rows of tables and indexes that they read together."""

    statements: int
    indexes: set[str]
    rows: int


def reading_of(request: Callable[[], Any]) -> Reading:
    """Makes the request, and runs its SELECT statements once more to see their plans."""
    with CaptureQueriesContext(connection) as asked:
        request()
    nodes = []
    for query in asked:
        if query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}".replace("%", "%%"), [])
                (plan,) = cursor.fetchone()
            nodes += _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    scans = [node for node in nodes if "Scan" in node["Node Type"] and "Plans" not in node]
    read = sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)
    return Reading(len(asked), {node["Index Name"] for node in nodes if "Index Name" in node}, round(read))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def analyze(*models: type[Model]) -> None:
    """So that PostgreSQL knows how many rows there are."""
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
