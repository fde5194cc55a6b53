"""Restoring a backup: everything is checked before anything changes."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from redis.exceptions import RedisError

from bubblyphone.core.backup import archive, database, files
from bubblyphone.core.backup.errors import BackupError
from bubblyphone.core.backup.making import count_rows
from bubblyphone.core.crypto import key_fingerprints
from bubblyphone.core.redis import period_cache
from bubblyphone.version import VERSION

logger = logging.getLogger(__name__)
OWN = (archive.CHECKSUMS, archive.MANIFEST)


def check(path: Path, *, force: bool, without_keys: bool) -> dict[str, Any]:
    """The manifest of a backup that can be restored here. Raises BackupError with every obstacle."""
    about = archive.verify(path)
    _check_places(path)
    problems = [*_unknown_migrations(about)]
    if not force and not is_empty():
        problems.append("This installation has accounts. To replace all of its data, repeat with --force.")
    missing = [found for found in about["encryption_key_fingerprints"] if found not in key_fingerprints()]
    if missing and not without_keys:
        problems.append(
            f"Add the encryption keys with these fingerprints to ENCRYPTION_KEYS: {', '.join(missing)}. "
            "Without them stored model keys, webhook secrets and two-factor devices cannot be decrypted; to restore "
            "anyway, repeat with --without-keys."
        )
    if problems:
        raise BackupError("\n".join(problems))
    return about


def _check_places(path: Path) -> None:
    """Raises BackupError if a member belongs nowhere, or the pieces of the dump are incomplete or out of order."""
    pieces = 0
    with archive.members(path) as found:
        for name, _ in found:
            if name == database.piece_name(pieces + 1):
                pieces += 1
            elif name not in OWN:
                files.check_place(name)
    if not pieces:
        raise BackupError(f"{path} has no database.")


def is_empty() -> bool:
    """Whether nobody has an account here; also true if there are no tables yet."""
    accounts = get_user_model()._default_manager
    if accounts.model._meta.db_table not in connection.introspection.table_names():
        return True
    return not accounts.exists()


def restore(path: Path, about: dict[str, Any]) -> None:
    """Restore the files, then the database in one transaction, and migrate it to this version. Raises BackupError."""
    with archive.members(path) as found:
        for name, file in found:
            if name not in OWN and not database.is_piece(name):
                files.restore(name, file)
    with archive.members(path) as found:
        database.load(_dump(found))
    rows = count_rows(about["rows"])
    if rows != about["rows"]:
        raise BackupError(f"The restored database has {rows} instead of {about['rows']}.")
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except (DatabaseError, CommandError) as error:
        raise BackupError(
            f"Everything is restored, but the database could not be migrated to {VERSION}: {error}\n"
            "Run `python -m bubblyphone.prepare` once you have fixed the cause, or restore with the version that made the backup."
        ) from error
    try:
        period_cache.forget()
    except RedisError:
        logger.warning("Redis is unavailable. Clear it before you start: it may contain totals of the earlier data.")


def _dump(found: Iterator[tuple[str, IO[bytes]]]) -> Iterator[IO[bytes]]:
    return (file for name, file in found if database.is_piece(name))


def _unknown_migrations(about: dict[str, Any]) -> Iterator[str]:
    known = MigrationLoader(None).disk_migrations
    unknown = sorted(f"{app}.{name}" for app, name in about["migrations"].items() if (app, name) not in known)
    if unknown:
        yield (
            f"The backup is of version {about['version']} and this is {VERSION}, which does not know {', '.join(unknown)}. "
            "Install the backup's version or a later one."
        )
