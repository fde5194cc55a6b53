"""Files named in database rows: recordings and documents. Each app registers its own (`BACKED_UP_FILES`)."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.storage import Storage
from django.core.files.utils import validate_file_name

from bubblyphone.core.backup.archive import PIECE, ArchiveWriter
from bubblyphone.core.backup.errors import BackupError
from bubblyphone.core.errors import StorageUnavailable
from bubblyphone.core.registry import Registry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileSource:
    """`folder` is their place in the backup. `names` queries the database for the files expected in `storage`."""

    folder: str
    storage: Callable[[], Storage]
    names: Callable[[], Iterable[str]]


BACKED_UP_FILES: Registry[FileSource] = Registry()


@dataclass(slots=True)
class Copied:
    """`missing`: files named in rows but not in the storage, such as a recording that was deleted meanwhile."""

    count: int = 0
    size: int = 0
    missing: int = 0


class FileList:
    """The names of files at one moment, stored on disk because there may be very many: in DATA_DIR, because /tmp may be small or in
    memory.
    """

    def __init__(self) -> None:
        self._names = tempfile.TemporaryFile("w+", encoding="utf-8", dir=settings.DATA_DIR)  # noqa: SIM115  as long as the list lives

    def fill(self) -> None:
        """Query every source."""
        for source in BACKED_UP_FILES:
            for name in source.names():
                self._names.write(f"{source.folder}/{name}\n")

    def __iter__(self) -> Iterator[str]:
        self._names.seek(0)
        return (line.rstrip("\n") for line in self._names)


def copy_to(archive: ArchiveWriter, paths: Iterable[str]) -> Copied:
    """Add the files to a backup. Raises BackupError if the storage cannot provide one."""
    copied = Copied()
    for path in paths:
        source, name = _source_of(path)
        try:
            with source.storage().open(name) as file:
                size = file.size
                archive.add(path, size, file)
        except FileNotFoundError:
            logger.warning("%s is missing. The backup does not include it.", path)
            copied.missing += 1
        except StorageUnavailable as error:
            raise BackupError(f"{path} could not be read: {error.__cause__}.") from error
        else:
            copied.count += 1
            copied.size += size
    return copied


def restore(path: str, file: IO[bytes]) -> None:
    """Put a file of a backup into its storage.

    An identical existing file stays, a different one is replaced. Raises BackupError for a file that has no place here (`check_place`),
    and if the storage does not accept it.
    """
    source, name = _source_of(path)
    try:
        _put(source.storage(), name, file)
    except StorageUnavailable as error:
        raise BackupError(f"{path} could not be restored: {error.__cause__}.") from error


def check_place(path: str) -> None:
    """Raises BackupError if `restore` would put the file nowhere, or outside its storage."""
    _source_of(path)


def _put(storage: Storage, name: str, file: IO[bytes]) -> None:
    if storage.exists(name):
        with storage.open(name) as present:
            is_same = _digest(present) == _digest(file)
        if is_same:
            return
        file.seek(0)
        storage.delete(name)
    storage.save(name, File(file))


def _source_of(path: str) -> tuple[FileSource, str]:
    folder, _, name = path.partition("/")
    for source in BACKED_UP_FILES:
        if source.folder == folder:
            return source, _safe(name)
    raise BackupError(f"{path!r} is not a file that this version can restore.")


def _safe(name: str) -> str:
    try:
        return str(validate_file_name(name, allow_relative_path=True))
    except SuspiciousFileOperation as error:
        raise BackupError(f"{name!r} is not a valid file name.") from error


def _digest(file: IO[bytes] | File[bytes]) -> bytes:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.digest()
