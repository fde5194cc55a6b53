"""The web process with fewer database connections than requests, with and without a media process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest
from django.conf import settings

from agents import speech
from bubblyphone.services.ports import find_free
from tests import databases
from tests.services.web import add_healthy_media_process
from tests.waiting import eventually

CONNECTIONS = 3
START_SECONDS = 180


class Web:
    """A running web process and its database."""

    def __init__(self, port: int, database: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
        self.database = psycopg.connect(database, autocommit=True)

    def status(self, *, timeout: float = 30) -> int:
        """The status for an unknown session, which requires a database query."""
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={'unknown0' * 4}"}
        return self._client.get("/account", headers=headers, timeout=timeout).status_code

    def is_up(self) -> bool:
        try:
            return self._client.get("/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def leaves(self) -> bool:
        """Send a request, and disconnect before the response."""
        try:
            self.status(timeout=0.3)
        except httpx2.ReadTimeout:
            return True
        return False

    def connections(self) -> set[int]:
        """The PostgreSQL processes that serve the web process."""
        rows = self.database.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {row[0] for row in rows}

    def speech_workers(self) -> set[str]:
        """The modules of the processes that hold the offline models."""
        children = psutil.Process(self.process.pid).children()
        return {child.cmdline()[-1] for child in children if "agents.speech" in " ".join(child.cmdline())}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    port, database = find_free(), add_healthy_media_process(databases.make_copy(databases.template()))
    variables = {"PORT": str(port), "DATABASE_URL": database, "DATABASE_POOL_SIZE": str(CONNECTIONS)}
    command, environment = [sys.executable, "-m", "bubblyphone.serve"], {**os.environ, **variables}
    log = tmp_path / "web.log"
    with log.open("wb") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as process:
        web = Web(port, database, process, log)
        try:
            until = time.monotonic() + START_SECONDS
            while not web.is_up():
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            yield web
        finally:
            web.database.close()
            process.terminate()
            assert process.wait(60) == 0, log.read_text()


def test_a_web_process_from_its_start_to_its_end(web: Web) -> None:
    requests_share_a_few_connections(web)
    models_are_loaded_without_a_media_process(web)
    it_stops_while_a_request_is_incomplete(web)


def requests_share_a_few_connections(web: Web) -> None:
    with ThreadPoolExecutor(12) as threads:
        assert {*threads.map(lambda _: web.status(), range(60))} == {302}
        shared = web.connections()
        assert 0 < len(shared) <= CONNECTIONS
        assert {*threads.map(lambda _: web.status(), range(60))} == {302}
        assert shared <= web.connections()
        assert len(web.connections()) <= CONNECTIONS

        # Twice as many clients as connections disconnect while they wait for the database.
        with web.database.transaction():
            web.database.execute("LOCK TABLE django_session")
            assert [*threads.map(lambda _: web.leaves(), range(2 * CONNECTIONS))] == [True] * 2 * CONNECTIONS
        assert {*threads.map(lambda _: web.status(), range(12))} == {302}

        # PostgreSQL restarts.
        for pid in web.connections():
            web.database.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])  # and wait until it has ended
        assert {*threads.map(lambda _: web.status(), range(12))} == {302}
        assert web.connections().isdisjoint(shared)


def models_are_loaded_without_a_media_process(web: Web) -> None:
    assert web.speech_workers() == set()
    web.database.execute("DELETE FROM calls_medianode")
    if speech.is_installed():
        workers = {"agents.speech.stt_worker", "agents.speech.tts_worker"}
        eventually(lambda: web.speech_workers() == workers, seconds=120)
    assert web.status() == 302


def it_stops_while_a_request_is_incomplete(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        assert web.is_up()  # the server has now processed what was sent before
        web.process.terminate()
        assert web.process.wait(60) == 0
