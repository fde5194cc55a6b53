"""`migrate`, with a shortcut for packages whose history of migrations takes a minute (settings.TABLES_MADE_AT_ONCE).

In a database that knows nothing of such a package its tables are made as its models have them now, and its migrations are written
down as applied; from then on they run as anyone's. The package's tables come last, since they may refer to ours.

A database that an earlier development version left half migrated is refused before anything changes. Indexes that an interrupted
migration left behind are built again.
"""

from collections.abc import Set
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

HALF_MIGRATED = (
    "This database comes from an earlier development version, and its migrations are incomplete ({reason}). "
    "Use an empty database: set another DATA_DIR or DATABASE_URL, or delete the old one."
)


class Command(migrate.Command):
    """Django's own command, after creating the tables of TABLES_MADE_AT_ONCE."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if the tables do not match the migrations that the database says it has."""
        connection = connections[options["database"]]
        applied = MigrationRecorder(connection).applied_migrations().keys()
        refuse_half_migrated(connection, applied)
        known = {app for app, _ in applied}
        new = [label for label in settings.TABLES_MADE_AT_ONCE if label not in known]
        changes = not (options["plan"] or options["check_unapplied"] or options["fake"])
        if changes:
            drop_unfinished_indexes(connection, applied)
        if new and not options["app_label"] and changes:
            usual = settings.MIGRATION_MODULES
            # `migrate` ignores apps without migrations.
            settings.MIGRATION_MODULES = {**usual, **dict.fromkeys(new)}
            try:
                super().handle(*args, **{**options, "run_syncdb": False})
            finally:
                settings.MIGRATION_MODULES = usual
            for label in new:
                make_tables(connection, label)
        super().handle(*args, **options)


def make_tables(connection: BaseDatabaseWrapper, label: str) -> None:
    """Create all tables of an app from its current models, and mark its migrations as applied; both or neither."""
    with connection.schema_editor(atomic=True) as editor:
        for model in apps.get_app_config(label).get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
        recorder = MigrationRecorder(connection)
        for app, name in sorted(MigrationLoader(connection).disk_migrations):
            if app == label:
                recorder.record_applied(app, name)


def drop_unfinished_indexes(connection: BaseDatabaseWrapper, applied: Set[tuple[str, str]]) -> None:
    """Drop what an interrupted migration without a transaction has left: it would find its indexes there, valid or not, and fail."""
    migrations = MigrationLoader(connection).disk_migrations
    unfinished = [step for key, migration in migrations.items() if key not in applied for step in migration.operations]
    with connection.cursor() as cursor:
        for step in unfinished:
            if isinstance(step, AddIndexConcurrently):
                name = connection.ops.quote_name(step.index.name)
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def refuse_half_migrated(connection: BaseDatabaseWrapper, applied: Set[tuple[str, str]]) -> None:
    """Raises CommandError if an app's migrations are all applied but one of its columns is missing, or if their order is wrong."""
    loader = MigrationLoader(connection)
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory as error:
        raise CommandError(HALF_MIGRATED.format(reason=str(error).rstrip("."))) from error
    waiting = {app for app, _ in loader.disk_migrations.keys() - applied}
    expected = {
        (model._meta.db_table, field.column)
        for label in loader.migrated_apps - waiting
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if model._meta.managed and not model._meta.proxy
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        missing = expected - set(cursor.fetchall())
    if missing:
        raise CommandError(HALF_MIGRATED.format(reason="no column {}.{}".format(*min(missing))))
