"""Runs queued background jobs within a test."""

from django.utils.module_loading import import_string
from django_q.models import OrmQ


def run_jobs() -> int:
    """Run all queued jobs, oldest first, and the jobs that they queue. Returns their number, and raises their errors."""
    count = 0
    while row := OrmQ.objects.order_by("pk").first():
        task = row.task
        row.delete()
        import_string(task["func"])(*task["args"])
        count += 1
    return count
