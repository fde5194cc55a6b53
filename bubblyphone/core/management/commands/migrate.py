"""`migrate`, with a shortcut for packages whose history of migrations takes a minute (settings.TABLES_MADE_AT_ONCE).

In a database that knows nothing of such a package its tables are made as its models have them now, and its migrations are written
down as applied; from then on they run as anybody's. The package's tables come last, since they may refer to ours.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


class Command(migrate.Command):
    """Django's own command, after creating the tables of TABLES_MADE_AT_ONCE."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        applied = {app for app, _ in MigrationRecorder(connection).applied_migrations()}
        new = [label for label in settings.TABLES_MADE_AT_ONCE if label not in applied]
        if new and not options["app_label"] and not (options["plan"] or options["check_unapplied"] or options["fake"]):
            usual = settings.MIGRATION_MODULES
            # An app without migrations is left alone by `migrate`.
            settings.MIGRATION_MODULES = {**usual, **dict.fromkeys(new)}
            try:
                super().handle(*args, **{**options, "run_syncdb": False})
            finally:
                settings.MIGRATION_MODULES = usual
            for label in new:
                make_tables(connection, label)
        super().handle(*args, **options)


def make_tables(connection: BaseDatabaseWrapper, label: str) -> None:
    """All tables of an app as its models are now, and its migrations as applied; both or neither."""
    with connection.schema_editor(atomic=True) as editor:
        for model in apps.get_app_config(label).get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
        recorder = MigrationRecorder(connection)
        for app, name in sorted(MigrationLoader(connection).disk_migrations):
            if app == label:
                recorder.record_applied(app, name)
