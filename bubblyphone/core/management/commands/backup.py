"""`manage.py backup FILE`: the whole installation in one file, while it runs."""

import errno
import fcntl
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from bubblyphone.core.backup.errors import BackupError
from bubblyphone.core.backup.making import describe, make

STDOUT = "-"


class Command(BaseCommand):
    help = "Write database, recordings, documents and a manifest to FILE, or to standard output with `-`. Calls continue meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--without-files", action="store_true", help="leave out recordings and documents")

    def handle(self, *args: Any, **options: Any) -> None:
        with_files = not options["without_files"]
        try:
            if options["file"] == STDOUT:
                about = make(sys.stdout.buffer, with_files=with_files)
                sys.stdout.buffer.flush()
            else:
                about = _make_file(Path(options["file"]), with_files=with_files)
        except (BackupError, OSError) as error:
            raise CommandError(f"No backup was made. {error}") from error
        self.stderr.write(describe(about), self.style.SUCCESS)


def _make_file(path: Path, *, with_files: bool) -> dict[str, Any]:
    """Under another name until it is complete and on disk: an earlier backup is only replaced by a complete one."""
    beside = path.with_name(f"{path.name}.unfinished")
    with _ours_alone(beside) as file:
        try:
            about = make(file, with_files=with_files)
            file.flush()
            os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return about


@contextmanager
def _ours_alone(path: Path) -> Iterator[IO[bytes]]:
    """The file, emptied of leftovers of a killed backup. Raises BackupError while another one is written to it."""
    with open(path, "ab", opener=_open_for_us) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise BackupError(f"Another backup is being written to {path}.") from error
            # Some network file systems do not support locks.
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise BackupError(f"Another backup was completed just now: {path} is not ours.")
        file.truncate(0)
        yield file


def _open_for_us(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, 0o600)
