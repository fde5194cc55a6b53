"""Files that are sent while they are created, such as ZIP files. They never exist as a whole, neither in memory nor on disk."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import IO, Any

from django.db import connections
from django.utils import timezone

PIECE_BYTES = 128 * 1024


class StreamedArchive:
    """Files one after another. Each method yields the bytes of the ZIP file that are ready; `end` yields its directory."""

    def __init__(self) -> None:
        self._ready = _Ready()
        self._zip = zipfile.ZipFile(self._ready, "w", zipfile.ZIP_DEFLATED)

    def add_rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Add rows as JSON lines."""
        with self._zip.open(self._entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as entry:
            for row in rows:
                entry.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")
                if self._ready.size > PIECE_BYTES:
                    yield self._ready.take()

    def add_file(self, name: str, file: IO[bytes]) -> Iterator[bytes]:
        """Add a file uncompressed: audio and images hardly get smaller. It is closed afterwards."""
        with file, self._zip.open(self._entry(name, zipfile.ZIP_STORED), "w", force_zip64=True) as entry:
            while piece := file.read(PIECE_BYTES):
                entry.write(piece)
                yield self._ready.take()

    def end(self) -> Iterator[bytes]:
        self._zip.close()
        yield self._ready.take()

    def _entry(self, name: str, compression: int) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
        entry.compress_type = compression
        return entry


class _Ready:
    """Bytes that `zipfile` has written and nobody has taken yet. Not seekable, so sizes follow the contents."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes, /) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """Remaining bytes can still be taken."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return taken


async def in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Produce each piece in a thread, which returns its database connection before the piece is sent."""

    def following() -> bytes | None:
        try:
            return next(pieces, None)
        finally:
            for connection in connections.all(initialized_only=True):
                connection.close()

    while (piece := await asyncio.to_thread(following)) is not None:
        if piece:
            yield piece
