"""Durable background jobs: the only module that uses django-q2.

The queue is a table of our own database, so a job queued inside a transaction exists if and only if the transaction does.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django_q.models import Task
from django_q.tasks import async_task
from structlog.contextvars import bind_contextvars, clear_contextvars

from bubblyphone.core.monitoring import tracing

SUCCESS_LOGGED = timedelta(hours=1)


def enqueue(function: Callable[..., Any], *ids: int | str) -> None:
    """Run `function(*ids)` in the worker, at least once. Jobs take ids and may be repeated without harm."""
    async_task(f"{function.__module__}.{function.__qualname__}", *ids)


def delete_old_logs() -> None:
    """The hourly job: delete the log of successful jobs after an hour, and of failed ones after settings.JOB_LOG_DAYS."""
    now = timezone.now()
    Task.objects.filter(success=True, stopped__lt=now - SUCCESS_LOGGED).delete()
    Task.objects.filter(stopped__lt=now - timedelta(days=settings.JOB_LOG_DAYS)).delete()


def name_in_log(sender: object, func: Callable[..., Any], task: Mapping[str, Any], **_: Any) -> None:
    """Add a job's name and its ids, such as `call_id`, to its log lines and span: a handler of `pre_execute`."""
    clear_contextvars()
    given = zip(inspect.signature(func).parameters, task.get("args", ()), strict=False)
    ids = {name: value for name, value in given if name.endswith("_id")}
    name = f"{func.__module__}.{func.__qualname__}"
    bind_contextvars(job=name, **ids)
    job = tracing.begin(name, tracing.CONSUMER)
    tracing.enter(job)
    if "call_id" in ids:
        job.about(int(ids["call_id"]))


def end_trace(sender: object, task: Mapping[str, Any], **_: Any) -> None:
    """End the span of a job: a handler of django-q2's `post_execute_in_worker`."""
    tracing.current().end("" if task["success"] else "failed")
