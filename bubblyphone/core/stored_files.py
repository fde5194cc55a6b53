"""The storages of files that nobody may simply fetch: like Django's, and they wait without a database connection."""

from typing import IO, Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from bubblyphone.core.waiting import before_waiting


class WaitsAlone:
    """For a Storage: what may ask another machine gives the connection back first. What was opened may be read at any time after."""

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        before_waiting()
        opened: File[Any] = super()._open(name, mode)  # type: ignore[misc]
        return opened

    def _save(self, name: str, content: IO[Any]) -> str:
        before_waiting()
        return str(super()._save(name, content))  # type: ignore[misc]

    def delete(self, name: str) -> None:
        before_waiting()
        super().delete(name)  # type: ignore[misc]

    def exists(self, name: str) -> bool:
        before_waiting()
        return bool(super().exists(name))  # type: ignore[misc]

    def size(self, name: str) -> int:
        before_waiting()
        return int(super().size(name))  # type: ignore[misc]


class DiskStorage(WaitsAlone, FileSystemStorage):
    """A folder. It may be another machine's, too."""
