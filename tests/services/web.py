"""Starts a single web process for tests."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
import psycopg

from bubblyphone.services.ports import find_free
from tests import databases

START_SECONDS = 180


def add_healthy_media_process(database: str) -> str:
    """Record a healthy media process, valid for an hour, in this database, so that its web process does not load models."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO calls_medianode (name, url, seen_at, accepts_calls, calls, late_frames, lost_frames)"
            " VALUES ('media', 'ws://127.0.0.1:9/media', now() + interval '1 hour', true, 0, 0, 0)"
        )
    return database


@contextmanager
def running(*, descriptors: tuple[int, int] | None = None, **variables: str) -> Iterator[tuple[str, str, int]]:
    """Yields its address, its database URL and its PID. `descriptors`: soft and hard limit."""
    port, database = find_free(), add_healthy_media_process(databases.make_copy(databases.template()))
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, descriptors) if descriptors else None
    environment = {**os.environ, "PORT": str(port), "DATABASE_URL": database, **variables}
    with subprocess.Popen([sys.executable, "-m", "bubblyphone.serve"], env=environment, preexec_fn=limit) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until = time.monotonic() + START_SECONDS
            while not _is_up(url):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            yield url, database, process.pid
        finally:
            process.terminate()
            assert process.wait(60) == 0


def _is_up(url: str) -> bool:
    try:
        # Without CA certificates, because reading them would take CPU time from the starting server.
        return httpx2.get(f"{url}/healthz", trust_env=False, verify=False).status_code == 200
    except httpx2.TransportError:
        return False
