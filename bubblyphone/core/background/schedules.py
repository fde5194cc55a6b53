"""Scheduled jobs: registered in `AppConfig.ready`, written into django-q2's table after every `migrate`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.db import connections
from django.utils import timezone

from bubblyphone.core.registry import Registry, dotted_path

EVERY_MINUTES = "I"  # django_q.models.Schedule.MINUTES
DAY_MINUTES = 24 * 60
NIGHT_HOUR = 3  # UTC


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """`name` is what staff see in the admin."""

    name: str
    function: Callable[[], None]
    minutes: int


SCHEDULED_JOBS: Registry[ScheduledJob] = Registry()


def apply_schedules(using: str, apps: Apps = installed_apps, **kwargs: Any) -> None:
    """Receiver of post_migrate: add and update schedules, remove renamed ones, and leave the time of the next run alone.

    Daily jobs run at night. The scheduler looks every 30 s, so a job can be that late.
    """
    try:
        schedule = apps.get_model("django_q", "Schedule")
    except LookupError:
        return  # `migrate` stops before django-q2's models
    if schedule._meta.db_table not in connections[using].introspection.table_names():
        return  # ... or before its tables
    jobs = {job.name: job for job in SCHEDULED_JOBS}
    functions = [dotted_path(job.function) for job in SCHEDULED_JOBS]
    schedule.objects.using(using).filter(func__in=functions).exclude(name__in=jobs).delete()
    for name, job in jobs.items():
        values = {"func": dotted_path(job.function), "schedule_type": EVERY_MINUTES, "minutes": job.minutes}
        first = next_night(timezone.now()) if job.minutes >= DAY_MINUTES else timezone.now()
        schedule.objects.using(using).update_or_create(
            name=name, defaults=values, create_defaults={**values, "next_run": first}
        )


def next_night(now: datetime) -> datetime:
    """The next 03:00 UTC."""
    night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night > now else night + timedelta(days=1)
