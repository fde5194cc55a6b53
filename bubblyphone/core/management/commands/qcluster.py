"""`manage.py qcluster`: django-q2's workers, which keep their database connections."""

from typing import Any

from django_q.management.commands.qcluster import Command as DjangoQCommand

from bubblyphone.core.database.kept_connections import keep_connections


class Command(DjangoQCommand):  # type: ignore[misc]
    def handle(self, *args: Any, **options: Any) -> None:
        keep_connections()  # its processes are forks
        super().handle(*args, **options)
