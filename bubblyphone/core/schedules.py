"""Jobs that come round: `settings.SCHEDULES`, written into django-q2's table after every `migrate`."""

from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.conf import settings
from django.db import connections

EVERY_MINUTES = "I"  # django_q.models.Schedule.MINUTES


def apply_schedules(using: str, apps: Apps = installed_apps, **kwargs: Any) -> None:
    """Receiver of post_migrate: add what is missing, set what has changed, leave the time of the next run alone.

    The scheduler looks every 30 s, so that a job can be that late.
    """
    schedule = apps.get_model("django_q", "Schedule")
    if schedule._meta.db_table not in connections[using].introspection.table_names():
        return  # `migrate` was told to stop before django-q2's tables
    for name, (function, minutes) in settings.SCHEDULES.items():
        schedule.objects.using(using).update_or_create(
            name=name, defaults={"func": function, "schedule_type": EVERY_MINUTES, "minutes": minutes}
        )
