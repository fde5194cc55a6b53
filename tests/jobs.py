"""Background jobs in tests: what was queued is run here and now."""

from django.utils.module_loading import import_string
from django_q.models import OrmQ


def run_jobs() -> int:
    """Run all that is queued, oldest first, and what it queues in turn. Gives how many there were; their errors are raised."""
    count = 0
    while row := OrmQ.objects.order_by("pk").first():
        task = row.task
        row.delete()
        import_string(task["func"])(*task["args"])
        count += 1
    return count
