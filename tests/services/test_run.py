"""`make run` from outside: a real start in a separate data folder, crashes, and a stop."""

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from bubblyphone.services.environment import PROJECT
from bubblyphone.services.ports import find_free
from bubblyphone.services.readiness import LONGEST_START_SECONDS

NOT_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
    "DJANGO_SETTINGS_MODULE",
    "ALLOW_PRIVATE_WEBHOOKS",
)


class Run:
    """A running `python -m bubblyphone.services.run` with its output in a file."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.port = port
        self.data_dir = data_dir
        self.log = data_dir.parent / f"{time.monotonic_ns()}.log"
        environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        environment |= {"DATA_DIR": str(data_dir), "PORT": str(port)}
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "bubblyphone.services.run"],
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait as long as the run itself would: with other work on its cores, it takes minutes to start."""
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while text not in self.output:
            assert self.popen.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(40)

    def processes(self) -> dict[int, str]:
        """The process ID and command line of every process that uses this data folder."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"DATA_DIR={self.data_dir}\0".encode() in environment or str(self.data_dir).encode() in command:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    def process_id(self, command: str) -> int:
        """The ID of the run's first process whose command line contains this text. The supervisor started it itself."""
        for child in psutil.Process(self.popen.pid).children() if self.popen.poll() is None else psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(child.cmdline())
                if command in line and (self.popen.poll() is None or child.pid in self.processes()):
                    return int(child.pid)
        raise AssertionError(f"{command} does not run")


# Name in the log → part of its command line. The helper comes first, because all later deaths are reported to it.
ROLES = {
    "cleanup helper": "bubblyphone.services.orphan_reaper",
    "web": "bubblyphone.serve web",
    "media": "bubblyphone.serve media",
    "clock": "manage.py clock",
    "worker": "manage.py qcluster",
    "exchange": "manage.py exchange",
    "valkey": "valkey-server",
    "postgres": "bin/postgres -D",
}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bubbly run-") as folder:
        # Like an ordinary folder. If root runs this, PostgreSQL's user needs access to it.
        Path(folder).chmod(0o755)
        # A DATA_DIR created by a user is also open to others, and is closed at startup.
        (Path(folder) / "var").mkdir(mode=0o755)
        yield Path(folder) / "var"


@pytest.fixture
def start(data_dir: Path) -> Iterator[Callable[[int], Run]]:
    runs: list[Run] = []

    def start(port: int) -> Run:
        runs.append(Run(data_dir, port))
        return runs[-1]

    yield start
    for run in runs:
        if run.popen.poll() is None:
            run.stop()


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def database_url(data_dir: Path) -> str:
    secrets_store = json.loads((data_dir / "secrets.json").read_text())
    return f"postgresql://bubblyphone:{secrets_store['POSTGRES_PASSWORD']}@127.0.0.1:{secrets_store['POSTGRES_PORT']}/bubblyphone"


def may_have_real_time_priority() -> bool:
    attempt = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
    return subprocess.run([sys.executable, "-c", attempt], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")
def test_a_run_recovers_from_crashes_keeps_its_data_and_leaves_no_processes(
    data_dir: Path, start: Callable[[int], Run]
) -> None:
    port = find_free()
    run = start(port)
    run.wait_for("Press Ctrl-C to stop.")
    assert (get(port, "/healthz"), get(port, "/readyz")) == (200, 200)
    demo_before = (data_dir / "demo.json").read_text()
    demo = json.loads(demo_before)
    assert stat.S_IMODE(data_dir.stat().st_mode) == (0o710 if os.geteuid() == 0 else 0o700)
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode) & 0o077) for path in data_dir.iterdir()} == {
        path.name: "0o0" for path in data_dir.iterdir()
    }
    assert demo["api_key"] in run.output
    assert demo["email"] in run.output
    policies = {name: os.sched_getscheduler(run.process_id(ROLES[name])) for name in ("web", "media")}
    real_time = os.SCHED_RR if may_have_real_time_priority() else os.SCHED_OTHER
    assert {name: policy & ~os.SCHED_RESET_ON_FORK for name, policy in policies.items()} == {
        "web": os.SCHED_OTHER, "media": real_time,
    }  # fmt: skip
    secrets_before = json.loads((data_dir / "secrets.json").read_text())

    for name, command in ROLES.items():
        os.kill(run.process_id(command), signal.SIGKILL)
        run.wait_for(f"{name} stopped (signal 9)")
    wait_until_ready(port)
    assert run.process_id("bubblyphone.services.orphan_reaper")

    second = start(find_free())
    assert second.popen.wait(30) == 1
    assert f"{data_dir} is in use by another run (process {run.popen.pid})." in second.output

    os.kill(run.process_id("bubblyphone.services.orphan_reaper"), signal.SIGKILL)
    run.popen.kill()
    run.popen.wait()
    assert run.process_id("bin/postgres -D")

    again = start(port)
    again.wait_for("Press Ctrl-C to stop.")
    assert "processes left over from an earlier run" in again.output
    assert (data_dir / "demo.json").read_text() == demo_before
    assert json.loads((data_dir / "secrets.json").read_text()) == secrets_before
    with psycopg.connect(database_url(data_dir)) as connection:
        query = "SELECT count(*) FROM accounts_developer WHERE email = %s"
        assert connection.execute(query, [demo["email"]]).fetchone() == (1,)

    # `make` forwards the signal that its process group also got, so it arrives twice within a millisecond.
    again.popen.send_signal(signal.SIGINT)
    assert again.stop() == 0
    assert [line for line in again.output.splitlines() if "was killed" in line] == []
    assert again.processes() == {}


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + LONGEST_START_SECONDS
    while True:
        try:
            if get(port, "/readyz") == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "The platform did not become ready again in time."
        time.sleep(0.2)


def test_a_used_port_is_reported_and_nothing_is_started(data_dir: Path, start: Callable[[int], Run]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = start(port)
        assert run.popen.wait(30) == 1
        name = psutil.Process().name()
    assert (
        f"Port {port} is in use by process {os.getpid()} ({name}). Choose another: make run PORT={port + 1}"
        in run.output
    )
    assert not (data_dir / "postgres").exists()
    assert run.processes() == {}


def test_an_invalid_port_is_reported(data_dir: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(data_dir), "PORT": "eighty"}
    command = [sys.executable, "-m", "bubblyphone.services.run"]
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, "PORT='eighty' must be a whole number between 1 and 65535." in result.stderr) == (
        1,
        True,
    )
