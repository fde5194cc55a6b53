"""The file: a tar whose last members are the checksums of all others (as `sha256sum` writes them) and the manifest.

Written and read once from beginning to end, in constant memory. Whatever is missing or altered in it is noticed by `verify`.
"""

import hashlib
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from bubblyphone.core.backup.errors import BackupError
from bubblyphone.core.json.documents import parse_stored_json

CHECKSUMS = "checksums.sha256"
MANIFEST = "manifest.json"
PIECE = 1024 * 1024
FORMAT = 1
MAX_MANIFEST_BYTES = 4 * PIECE
# Required in every manifest of this format: the fields that `restore` reads.
STATED = {"version", "created_at", "migrations", "encryption_key_fingerprints", "rows", "files", "checksums_sha256"}


class _Hashing:
    """A readable file that computes the checksum of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


class ArchiveWriter:
    """Adds members to a tar on `stream`, which need not be seekable."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115  `finish` ends it
        self._checksums = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115  `finish` closes it

    def add(self, name: str, size: int, file: IO[bytes]) -> None:
        """Add `size` bytes of a file. Raises OSError if it is shorter."""
        reader = _Hashing(file)
        self._add(name, size, reader)
        self._checksums.write(_line(name, reader.digest.hexdigest()))

    def finish(self, about: dict[str, Any]) -> None:
        """Add checksums and manifest, and end the tar."""
        size = self._checksums.tell()
        self._checksums.seek(0)
        reader = _Hashing(self._checksums)
        self._add(CHECKSUMS, size, reader)
        about = {"format": FORMAT, **about, "checksums_sha256": reader.digest.hexdigest()}
        text = json.dumps({**about, "manifest_sha256": _digest_of(about)}, indent=2).encode()
        self._add(MANIFEST, len(text), BytesIO(text))
        self._tar.close()
        self._checksums.close()

    def abandon(self) -> None:
        """End it unfinished: buffered data is written if possible, unless someone else has the stream."""
        with suppress(OSError, ValueError):
            self._tar.fileobj.close()
        self._checksums.close()

    def _add(self, name: str, size: int, file: Any) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(time.time())
        self._tar.addfile(member, file)
        self._tar.members = []  # type: ignore[attr-defined]  # it would remember each


@contextmanager
def members(path: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The members of a backup in order, each to be read before the next. Raises BackupError if it is not a tar."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield _members(tar)
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{path} is damaged or incomplete: {error}.") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in tar:
        # Links are not allowed, because they would be another member or an outside file, nor sparse files, which can be of any size.
        file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
        if file is None:
            raise BackupError(f"{member.name} is not an ordinary file.")
        yield member.name, file
        tar.members = []  # type: ignore[attr-defined]


def verify(path: Path) -> dict[str, Any]:
    """Read a whole backup; returns its manifest. Raises BackupError if anything is missing or altered."""
    checksums, stated, text = hashlib.sha256(), "", b""
    with members(path) as found:
        for name, file in found:
            if text:
                raise BackupError(f"{path} is damaged: {name} follows the manifest.")
            if name == MANIFEST:
                text = file.read(MAX_MANIFEST_BYTES)
                continue
            digest = _sha256(file)
            if name == CHECKSUMS:
                stated = digest
            else:
                checksums.update(_line(name, digest))
    return _manifest(path, text, stated, checksums.hexdigest())


def _manifest(path: Path, text: bytes, stated: str, actual: str) -> dict[str, Any]:
    if not text:
        raise BackupError(f"{path} is incomplete: it has no manifest.")
    try:
        about: dict[str, Any] = parse_stored_json(text.decode())
        own, kind = about.pop("manifest_sha256"), about["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{path} is damaged: its manifest cannot be read.") from error
    if own != _digest_of(about):
        raise BackupError(f"{path} is damaged: its manifest was altered.")
    if kind != FORMAT:
        raise BackupError(f"{path} has format {kind}, which this version cannot read.")
    if missing := sorted(STATED - about.keys()):
        raise BackupError(f"{path} is damaged: its manifest lacks {', '.join(missing)}.")
    if not about["checksums_sha256"] == stated == actual:
        raise BackupError(f"{path} is damaged: its checksums do not match its content.")
    return about


def _line(name: str, digest: str) -> bytes:
    return f"{digest}  {name}\n".encode()


def _digest_of(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()
