"""Making a backup of one moment, while everything runs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from bubblyphone.core.backup import database, files
from bubblyphone.core.backup.archive import ArchiveWriter
from bubblyphone.core.crypto import key_fingerprints
from bubblyphone.core.database.snapshots import one_state
from bubblyphone.core.registry import Registry
from bubblyphone.version import VERSION

COUNTED: Registry[str] = Registry()
"""Models, like "calls.Call", whose number of rows a backup states and a restore proves."""


def make(stream: IO[bytes], *, with_files: bool = True) -> dict[str, Any]:
    """Write a backup to `stream`; returns its manifest.

    Raises BackupError, and OSError if the stream or a storage fails. The dump, the list of files and the counts are from one state of the
    database. Files never change, so they are copied afterwards.
    """
    archive, names = ArchiveWriter(stream), files.FileList()
    try:
        with _dump(names if with_files else None) as (dump, about):
            dump.write(archive)
        copied = files.copy_to(archive, names)
        about["files"] = (
            {"count": copied.count, "bytes": copied.size, "missing": copied.missing} if with_files else None
        )
        archive.finish(about)
    except BaseException:
        archive.abandon()
        raise
    return about


@contextmanager
def _dump(names: files.FileList | None) -> Iterator[tuple[database.Dump, dict[str, Any]]]:
    with one_state():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            dump = database.Dump(cursor.fetchone()[0])
        try:
            about = _about()
            if names is not None:
                names.fill()
            dump.wait_for_snapshot()
        except BaseException:
            dump.stop()
            raise
    connection.close()
    try:
        yield dump, about
    finally:
        dump.stop()


def _about() -> dict[str, Any]:
    applied = sorted(MigrationRecorder(connection).applied_migrations())
    return {
        "version": VERSION,
        "created_at": timezone.now().isoformat(timespec="seconds"),
        "postgresql": database.server_version(),
        # The last migration of each app, which the restoring code must know.
        "migrations": dict(applied),
        "encryption_key_fingerprints": key_fingerprints(),
        "rows": count_rows(COUNTED),
    }


def count_rows(labels: Iterable[str]) -> dict[str, int]:
    """How many rows these models have."""
    return {label: apps.get_model(label)._default_manager.count() for label in labels}


def describe(about: dict[str, Any]) -> str:
    """A manifest in a few lines, for people."""
    rows = ", ".join(f"{count:,} {label.split('.')[1]}" for label, count in about["rows"].items())
    lines = [f"Version {about['version']}, {about['created_at']}", f"Rows: {rows}"]
    kept = about["files"]
    if kept is None:
        lines.append("Files: not included")
    else:
        lines.append(f"Files: {kept['count']:,} ({kept['bytes']:,} bytes), {kept['missing']:,} missing")
    return "\n".join([*lines, f"Encryption keys: {', '.join(about['encryption_key_fingerprints'])}"])
