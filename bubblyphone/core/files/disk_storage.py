"""The storages of files that nobody may simply fetch: like Django's, and they wait without a database connection."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, ClassVar

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from bubblyphone.core.errors import StorageUnavailable
from bubblyphone.core.network.waiting import before_waiting

logger = logging.getLogger(__name__)


class WaitsAlone:
    """For a Storage: what may ask another machine gives the connection back first. What was opened may be read at any time after.

    Raises FileNotFoundError for a file that does not exist, and StorageUnavailable for any other failure.
    """

    # What the storage's own library raises.
    failures: ClassVar[tuple[type[Exception], ...]]

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        with self._asking():
            opened: File[Any] = super()._open(name, mode)  # type: ignore[misc]
            _ = opened.file  # a bucket's is downloaded here, and not while someone reads
        return opened

    def _save(self, name: str, content: IO[Any]) -> str:
        with self._asking():
            return str(super()._save(name, content))  # type: ignore[misc]

    def delete(self, name: str) -> None:
        with self._asking():
            super().delete(name)  # type: ignore[misc]

    def exists(self, name: str) -> bool:
        with self._asking():
            return bool(super().exists(name))  # type: ignore[misc]

    def size(self, name: str) -> int:
        with self._asking():
            return int(super().size(name))  # type: ignore[misc]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        before_waiting()
        try:
            yield
        except FileNotFoundError:
            raise
        except self.failures as error:
            logger.exception("The file storage cannot be reached")
            raise StorageUnavailable from error


class DiskStorage(WaitsAlone, FileSystemStorage):
    """A folder. It may be another machine's, too."""

    failures = (OSError,)
