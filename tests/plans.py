"""Counts the rows that PostgreSQL reads for a request. Tests of indexes use it because durations would be unreliable."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Reading:
    """The number of a request's statements, the indexes they use, and the total of rows that they read from tables and indexes."""

    statements: int
    indexes: set[str]
    rows: int


def measure_reads(request: Callable[[], Any]) -> Reading:
    """Make the request, then run its SELECT statements again with EXPLAIN ANALYZE."""
    with CaptureQueriesContext(connection) as queries:
        request()
    nodes = []
    for query in queries:
        if query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}".replace("%", "%%"), [])
                (plan,) = cursor.fetchone()
            nodes += _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    scans = [node for node in nodes if "Scan" in node["Node Type"] and "Plans" not in node]
    read = sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)
    return Reading(len(queries), {node["Index Name"] for node in nodes if "Index Name" in node}, round(read))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def analyze(*models: type[Model]) -> None:
    """Update the planner's statistics of these tables."""
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
