"""What a start waits for is logged, and the start only fails if waiting cannot help."""

import http.server
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from bubblyphone.services import readiness, run
from bubblyphone.services.console import Console
from bubblyphone.services.embedded import EmbeddedService
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.ports import find_free
from bubblyphone.services.processes import PlatformProcess
from bubblyphone.services.readiness import missing_parts
from bubblyphone.services.run import Supervisor
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.supervised import SupervisedService


@pytest.fixture
def reaper() -> Iterator[OrphanReaper]:
    reaper = OrphanReaper()
    yield reaper
    reaper.close()


class Slow(EmbeddedService):
    """A service that is ready after three checks."""

    def launch(self) -> int | None:
        return None

    def wait_until_ready(self, check: Callable[[], None] = lambda: None) -> str:
        for _ in range(3):
            check()
        return "redis://:secret@127.0.0.1:6379/0"


def test_the_log_says_what_the_start_is_waiting_for(
    reaper: OrphanReaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Slow(tmp_path / "slow.log", SecretsStore(tmp_path / "secrets.json"))
    monkeypatch.setattr(readiness, "REPORT_SECONDS", 0.0)
    SupervisedService("valkey", service, reaper, Console()).start(lambda: None)
    lines = ["run      | still waiting for valkey (0 s)"] * 3
    assert capsys.readouterr().out.splitlines() == [*lines, "valkey   | listening on 127.0.0.1:6379"]


def test_a_start_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LONGEST_START_SECONDS", 0.0)
    with pytest.raises(ServiceError, match=r"The start took too long: worker, clock did not become ready\."):
        Supervisor({}).wait_for(lambda: "worker, clock")


def test_a_process_that_exits_repeatedly_ends_the_start(
    reaper: OrphanReaper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "MOST_ENDS", 2)
    supervisor = Supervisor({})
    supervisor.reaper = reaper
    command = [sys.executable, "-S", "-c", "import sys; sys.exit('no such module')"]
    process = PlatformProcess("web", command, dict(os.environ), supervisor.console, reaper)
    supervisor.processes.append(process)
    process.start()
    with pytest.raises(ServiceError, match=r"web ended 2 times\. See the lines above\."):
        supervisor.wait_for(lambda: "web")
    output = capsys.readouterr().out
    assert output.count("web      | no such module\n") == 2
    assert "web stopped (exit code 1). Restarting in 1 s." in output


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (HTTPStatus.OK, b"{}", ""),
        (HTTPStatus.SERVICE_UNAVAILABLE, json.dumps({"missing": ["worker", "clock"]}).encode(), "worker, clock"),
        (HTTPStatus.SERVICE_UNAVAILABLE, b"<html>", "web"),
    ],
)
def test_missing_parts_of_a_process_are_reported(status: HTTPStatus, body: bytes, missing: str) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else HTTPStatus.NOT_FOUND)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert missing_parts("web", server.server_port) == missing
        thread.join()


def test_an_unresponsive_process_is_reported() -> None:
    assert missing_parts("media", find_free()) == "media"
