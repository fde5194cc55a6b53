"""pytest plugin: starts a PostgreSQL and a Valkey for this run, and blocks network access beyond this machine.

The workers of a run, and the platforms that they start, share the PostgreSQL, where each has its own database
(tests/databases.py). Each worker has its own Valkey, because tests empty it.

Loaded with `-p tests.embedded`, because pytest-django reads the settings before any conftest.py is imported.
Set TEST_DATABASE_URL and TEST_REDIS_URL to use other servers instead.
"""

import gc
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.postgres import EmbeddedPostgres
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.valkey import EmbeddedValkey
from tests import databases

_started: list[EmbeddedPostgres | EmbeddedValkey] = []
_reaper = OrphanReaper()
_home = Path(tempfile.mkdtemp(prefix="bubblyphone-tests-"))


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Before Django is set up, point the settings at this run's services and data folder.

    What is imported meanwhile lives until the end of the run, so garbage is not searched for among it: that took a second per process.
    """
    gc.disable()
    secrets_store = SecretsStore(_home / "secrets.json")
    os.environ["DATA_DIR"] = str(_home)
    (_home / "static").mkdir(exist_ok=True)  # where WhiteNoise looks for collected files
    os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or _start(EmbeddedValkey(_home, secrets_store))
    if not os.environ.get("TEST_DATABASE_URL"):  # workers inherit it
        _start_postgres(secrets_store)
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
    _block_network()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """The last hook of a run, also called after Ctrl-C."""
    while _started:
        service = _started.pop()
        if service.process is not None:
            group = service.process.pid
            service.stop()
            _reaper.forget(group)
    _reaper.close()
    shutil.rmtree(_home, ignore_errors=True)


def _start(service: EmbeddedPostgres | EmbeddedValkey) -> str:
    url = service.start()
    _started.append(service)
    if service.process is not None:
        # Stops the service if this process is killed.
        _reaper.watch(service.process.pid, signal.SIGINT)
    return url


def _start_postgres(secrets_store: SecretsStore) -> None:
    """Start a migrated PostgreSQL: from a copy of the data of an earlier run with the same migrations, if there is one."""
    secrets_store.keep("POSTGRES_PASSWORD", "of-the-tests")  # also the copy's password
    postgres = EmbeddedPostgres(_home, secrets_store, durable=False)
    migrated = databases.saved_cluster()
    if migrated.exists():
        databases.copy_cluster(migrated, postgres.data)
        with suppress(FileNotFoundError):  # another run has deleted it
            os.utime(migrated)
    os.environ["TEST_DATABASE_URL"] = _start(postgres)
    if not migrated.exists():
        databases.template()
        postgres.stop()
        databases.copy_cluster(postgres.data, migrated)
        postgres.start()


def _block_network() -> None:
    """Make access to other machines fail immediately. Host names outside this machine cannot be resolved."""
    real_connect, real_connect_ex, real_getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def connect(self: socket.socket, address: Any) -> None:
        _refuse_outside(self, address)
        real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_outside(self, address)
        return real_connect_ex(self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in (None, "", "localhost") or name[0].isdigit() or ":" in name:
            return real_getaddrinfo(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, f"{name}: names outside this machine are unknown in tests")

    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = getaddrinfo


def _refuse_outside(sock: socket.socket, address: Any) -> None:
    if sock.family == socket.AF_UNIX:
        return
    if not (address[0] in ("localhost", "::1", "") or address[0].startswith(("127.", "::ffff:127."))):
        raise RuntimeError(f"A test tried to reach {address!r}; only this machine is allowed.")
