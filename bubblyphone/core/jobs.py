"""Durable background jobs: the only module that uses django-q2.

The queue is a table of our own database, so a job queued inside a transaction exists if and only if the transaction does.
"""

from collections.abc import Callable
from typing import Any

from django_q.tasks import async_task


def enqueue(function: Callable[..., Any], *ids: int | str) -> None:
    """Run `function(*ids)` in the worker, at least once. Jobs take ids and may be repeated without harm."""
    async_task(f"{function.__module__}.{function.__qualname__}", *ids)
