"""`python -m bubblyphone.services.run`: starts everything for `make run` and watches it until Ctrl-C or SIGTERM."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psutil

from bubblyphone.env import TRUE_WORDS
from bubblyphone.services.console import Console, format_banner
from bubblyphone.services.embedded import EmbeddedService
from bubblyphone.services.environment import (
    PROJECT,
    add_env_file,
    base_environment,
    exchange_environment,
    is_given,
    store_environment,
)
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.ports import is_free, keep_port
from bubblyphone.services.postgres import EmbeddedPostgres
from bubblyphone.services.processes import PlatformProcess, describe_exit
from bubblyphone.services.readiness import Patience, missing_parts
from bubblyphone.services.roster import Roster, stop_leftovers
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.stop_signals import StopSignals
from bubblyphone.services.supervised import SupervisedService
from bubblyphone.services.valkey import EmbeddedValkey

LEAST_FREE_BYTES = 300 * 1024 * 1024
# During a start: a process that ended this often will not become ready by waiting.
MOST_ENDS = 5
# Web processes let tool requests finish, which have 10 s (calls.live.live_sessions.drain); without any they take 2 to 3 s.
STOP_SECONDS = 24.0
# Longer than the reaper takes (GRACE_SECONDS).
LEFTOVERS_SECONDS = 12.0
PREPARE_STOP_SECONDS = 5.0
TICK_SECONDS = 0.1


class StopRequested(Exception):
    """Ctrl-C or SIGTERM arrived during startup."""


class Supervisor:
    """Starts, watches and stops every process of one installation."""

    def __init__(self, given: dict[str, str]) -> None:
        """`given` is the user's environment, which always overrides generated values."""
        self.console = Console()
        self.given = given
        self.data_dir = Path(given.get("DATA_DIR", "").strip() or PROJECT / "var").resolve()
        self.signals = StopSignals()
        self.services: dict[str, SupervisedService] = {}  # by the variable that names the service's address
        self.processes: list[PlatformProcess] = []
        self.environment: dict[str, str] = {}

    def run(self) -> None:
        """Start everything, print the banner, and watch until asked to stop. Raises ServiceError if it cannot continue."""
        self.signals.install()
        os.umask(0o077)  # for every file of all our processes
        with hold_data_dir(self.data_dir) as lock:
            roster = self.data_dir / "processes.json"
            if count := stop_leftovers(roster, self.data_dir):
                self.console.line("run", f"stopped {count} processes left over from an earlier run")
            self.reaper = OrphanReaper(lock, Roster(roster))
            try:
                self._start()
                while True:
                    self._check_stop()
                    self._watch()
                    time.sleep(TICK_SECONDS)
            except StopRequested:
                pass
            finally:
                self._stop()

    # --- start --------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        secrets_store = SecretsStore(self.data_dir / "secrets.json")
        environment = self.environment = base_environment(self.given, self.data_dir, secrets_store)
        port = int(environment["PORT"])
        check_port(port, environment["HOST"])
        self._start_services(secrets_store)
        if not any(is_given(self.given, name) for name in ("TELNYX_API_KEY", "TWILIO_ACCOUNT_SID")):
            self._use_exchange(exchange_environment(port, secrets_store, self.given.get("CARRIER", "")))
        store_environment(self.data_dir, environment)
        self._prepare()
        python = sys.executable
        # Without a media process, the web process has the calls, so it keeps its priority.
        self._add("web", [python, "-m", "bubblyphone.serve", "web"], is_background=self._has_media)
        media_port = self._add_media(secrets_store) if self._has_media else None
        self._add("clock", [python, "manage.py", "clock"], is_background=True)
        self._add("worker", [python, "manage.py", "qcluster"], is_background=True)
        self.wait_for(partial(missing_parts, "web", port))
        if media_port is not None:
            self.wait_for(partial(missing_parts, "media", media_port))
        has_demo = environment["DEMO"].strip().lower() in TRUE_WORDS
        self.console.write(format_banner(environment["PUBLIC_URL"], self.data_dir / "demo.json" if has_demo else None))

    def _start_services(self, secrets_store: SecretsStore) -> None:
        """Start the services that the user did not configure."""
        if not is_given(self.given, "DATABASE_URL"):
            self._start_service("DATABASE_URL", "postgres", EmbeddedPostgres(self.data_dir, secrets_store))
        if not is_given(self.given, "REDIS_URL"):
            self._start_service("REDIS_URL", "valkey", EmbeddedValkey(self.data_dir, secrets_store))

    def _start_service(self, variable: str, name: str, service: EmbeddedService) -> None:
        self._check_stop()
        supervised = self.services[variable] = SupervisedService(name, service, self.reaper, self.console)
        supervised.start(self._check_stop)
        self.environment[variable] = supervised.url

    def _use_exchange(self, exchange: dict[str, str]) -> None:
        """Start the built-in exchange. It comes before the demo account, whose numbers it sells."""
        for name in sorted(set(exchange) & set(self.given)):
            if self.given[name].strip():
                self.console.line(
                    "run", f"{name} is ignored: no carrier's key is set, so the built-in exchange is the carrier"
                )
        self.environment |= exchange
        self._add("exchange", [sys.executable, "manage.py", "exchange"])
        port = urlsplit(exchange["EXCHANGE_URL"]).port or 0
        self.wait_for(lambda: "exchange" if is_free(port) else "")

    @property
    def _has_media(self) -> bool:
        """Whether to start a media process. Only the built-in exchange can reach one; a real carrier only knows PUBLIC_URL."""
        return bool(self.environment.get("EXCHANGE_URL"))

    def _add_media(self, secrets_store: SecretsStore) -> int:
        """Start a media process; returns its port."""
        port = keep_port(secrets_store, "MEDIA_PORT")
        address = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MEDIA_NODE": "media",
            "MEDIA_STREAM_URL": f"ws://127.0.0.1:{port}/media",
        }
        self._add("media", [sys.executable, "-m", "bubblyphone.serve", "media"], address)
        return port

    def _prepare(self) -> None:
        """Migrations, static files, demo account."""
        self.console.line("run", "preparing the database")
        step = PlatformProcess(
            "prepare", [sys.executable, "-m", "bubblyphone.prepare"], self.environment, self.console, self.reaper
        )
        step.start()
        popen = step.popen
        while popen is not None and popen.poll() is None and not self.signals.is_stop_requested:
            time.sleep(0.05)
        code = popen.poll() if popen is not None else None
        step.signal(signal.SIGTERM)
        step.wait(time.monotonic() + PREPARE_STOP_SECONDS)
        self._check_stop()
        if code:
            raise ServiceError(f"Preparing the database failed ({describe_exit(code)}). See the lines above.")

    def _add(
        self, name: str, command: list[str], own: dict[str, str] | None = None, *, is_background: bool = False
    ) -> None:
        """Start a process. `own` are its own variables; the environment that they override may still change."""
        self._check_stop()
        environment = ChainMap(own or {}, self.environment)
        process = PlatformProcess(name, command, environment, self.console, self.reaper, is_background=is_background)
        process.start()
        self.processes.append(process)

    # --- while it runs ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Restart every process that has ended."""
        code = self.reaper.revive()
        if code is not None:
            self.console.line("run", f"cleanup helper stopped ({describe_exit(code)}) and was restarted")
        for variable, service in self.services.items():
            if service.revive(self._check_stop):
                self._move_service(variable, service)
        for process in self.processes:
            process.revive()

    def _move_service(self, variable: str, service: SupervisedService) -> None:
        """Another program took the port while the service was down: all processes restart with the new address."""
        self.environment[variable] = service.url
        store_environment(self.data_dir, self.environment)
        for process in self.processes:
            process.signal(signal.SIGTERM)

    def wait_for(self, missing: Callable[[], str]) -> None:
        """Wait until nothing is `missing`. Raises ServiceError when that takes too long, or a process ends again and again."""
        patience = Patience(self.console)
        while what := missing():
            if patience.is_over:
                raise ServiceError(f"The start took too long: {what} did not become ready. See the lines above.")
            if ends := next((process for process in self.processes if process.restarts >= MOST_ENDS), None):
                raise ServiceError(f"{ends.name} ended {MOST_ENDS} times. See the lines above.")
            patience.tell(what)
            self._check_stop()
            self._watch()
            time.sleep(TICK_SECONDS)

    def _check_stop(self) -> None:
        if self.signals.is_stop_requested:
            raise StopRequested

    # --- stop ---------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop the processes first, then the services that they use; PostgreSQL last."""
        self.console.line("run", "stopping")
        for process in self.processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(p.is_running for p in self.processes) and time.monotonic() < deadline and not self.signals.is_urgent:
            time.sleep(0.05)
        for process in self.processes:
            process.wait(time.monotonic())
        for service in reversed(self.services.values()):
            service.stop()
        self.reaper.close()
        self.console.line("run", "stopped")


@contextlib.contextmanager
def hold_data_dir(data_dir: Path) -> Iterator[IO[str]]:
    """Ensure by a locked file that this is the only run in this folder. Raises ServiceError if it is not, or if the disk is full."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        data_dir.chmod(0o700)  # it contains secrets, recordings and documents, even if the folder existed before
        lock = (data_dir / "run.lock").open("a+")
    except OSError as error:
        raise ServiceError(
            f"DATA_DIR {data_dir} is not writable ({error.strerror}). Set DATA_DIR to another folder."
        ) from error
    with lock:
        _take(lock, data_dir)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        free = shutil.disk_usage(data_dir).free
        if free < LEAST_FREE_BYTES:
            raise ServiceError(
                f"Only {free // 1024**2} MB are free in {data_dir}; {LEAST_FREE_BYTES // 1024**2} MB are needed."
            )
        yield lock


def _take(lock: IO[str], data_dir: Path) -> None:
    """Lock the file. After a killed run, its reaper holds the lock until the last of its processes is gone."""
    deadline = time.monotonic() + LEFTOVERS_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip()
            if _is_running(holder) or time.monotonic() > deadline:
                raise ServiceError(
                    f"{data_dir} is in use by another run (process {holder}). "
                    "Stop it first, or set another DATA_DIR and PORT."
                ) from error
            time.sleep(TICK_SECONDS)
        else:
            return


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def check_port(port: int, host: str) -> None:
    """Raises ServiceError if the port is not available."""
    if port < 1024 and os.geteuid() != 0:
        raise ServiceError(f"Port {port} needs root. Choose another: make run PORT=8000")
    if not is_free(port, host):
        raise ServiceError(f"Port {port} is in use by {_listener(port)}. Choose another: make run PORT={port + 1}")


def _listener(port: int) -> str:
    """The process that listens on a port, if the system reveals it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            is_ours = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if is_ours and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another program"


def main() -> int:
    """Returns the exit status: 0 after an orderly stop, 1 with an error message on standard error."""
    given = add_env_file(os.environ, PROJECT / ".env")
    try:
        Supervisor(given).run()
    except ServiceError as error:
        sys.stderr.write(f"\n{error}\n\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
