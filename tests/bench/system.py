"""Starts a process of the platform with PostgreSQL and Valkey, or a bare relay, and pins them to one core. Linux only."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bubblyphone.services.environment import PROJECT, base_environment
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.ports import find_free, is_free
from bubblyphone.services.postgres import EmbeddedPostgres
from bubblyphone.services.readiness import missing_parts
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.valkey import EmbeddedValkey

START_SECONDS = 90
IDLE_SHARE = 0.02  # of one core
CLOCK_SHARE = 0.15  # the clock process looks for work every second
WORKER_SHARE = 0.1  # the worker's processes look for jobs every second
TICKS = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[set[int], set[int]]:
    """The core of the measured processes and the core of the benchmark. They are the same if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, {available[-1]}


@contextlib.contextmanager
def on_cores(chosen: set[int]) -> Iterator[None]:
    """Pins processes started in this context to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def undelayed() -> Iterator[None]:
    """No other program delays the calling thread, if it may have a real-time priority. Threads and processes it starts have none."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def confine(pids: Iterable[int], cores: set[int], niceness: int) -> None:
    """Pin running processes and all their threads to these cores, and set their niceness. Processes and threads they start inherit both.

    Most users may only raise a niceness. For them a lower one has no effect.
    """
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just exited
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
                with contextlib.suppress(PermissionError):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents = {int(entry.name): _stat(entry)[1:2] for entry in Path("/proc").iterdir() if entry.name.isdecimal()}
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == [str(parent)]]
    return found


def trees(pids: Iterable[int]) -> list[int]:
    """Processes and all their descendants."""
    return [process for pid in pids for process in tree(pid)]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes, including their threads and their exited children."""
    return sum(_own_seconds(pid) + sum(map(int, _stat(Path(f"/proc/{pid}"))[13:15])) / TICKS for pid in pids)


def _own_seconds(pid: int) -> float:
    """Uses the process's clock, clock_getcpuclockid(3) on Linux, because /proc counts in steps of 10 ms."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:  # it has exited
        return 0.0


def _stat(process: Path) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on, or none if the process has just exited."""
    with contextlib.suppress(OSError):
        return (process / "stat").read_text().rpartition(")")[2].split()
    return []


class System:
    """Starts everything in a temporary directory and stops it again, even if the benchmark is killed."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self._clock: subprocess.Popen[bytes] | None = None
        self._media: list[subprocess.Popen[bytes]] = []
        self._home = Path(tempfile.mkdtemp(prefix="bubblyphone-bench-"))
        self._reaper = OrphanReaper()
        self._stack = contextlib.ExitStack()
        self._stack.callback(shutil.rmtree, self._home, ignore_errors=True)
        self._stack.callback(self._reaper.close)

    def __enter__(self) -> "System":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start_services(self, variables: Mapping[str, str]) -> tuple[dict[str, str], list[int]]:
        """Starts PostgreSQL and Valkey; returns the environment of the platform's processes, and the PIDs of both."""
        secrets_store = SecretsStore(self._home / "secrets.json")
        given = {"PATH": os.environ["PATH"], "PORT": str(find_free()), "DEMO": "0", "LOG_LEVEL": "WARNING", **variables}
        environment = base_environment(given, self._home, secrets_store)
        (self._home / "static").mkdir()
        services = []
        for name, service in (
            ("DATABASE_URL", EmbeddedPostgres(self._home, secrets_store)),
            ("REDIS_URL", EmbeddedValkey(self._home, secrets_store)),
        ):
            environment[name] = service.start()
            self._stack.callback(service.stop)
            assert service.process is not None
            services.append(service.process.pid)
            self._reaper.watch(service.process.pid, signal.SIGINT)
        return environment, services

    def start_platform(self, variables: Mapping[str, str], hook_url: str = "") -> tuple[int, list[int], int]:
        """Returns the PID of the web process, the PIDs of the services, and the port."""
        environment, services = self.start_services(variables)
        self.environment = environment
        self.api_keys: list[str] = json.loads(run_module("tests.bench.rows", environment, hook_url))
        port = int(environment["PORT"])
        web = self._start([sys.executable, "-m", "bubblyphone.serve"], environment, "web")
        self._wait_for(web, lambda: _is_alive(port))
        # The web process loads models after it has seen no media process for a while. Wait, so that this is not measured.
        self._wait_for(web, lambda: len(tree(web.pid)) > 1)
        self._wait_for(web, lambda: _is_idle(web.pid))
        return web.pid, services, port

    def start_media(self, name: str) -> int:
        """Start a media process. The web process then gets no new calls. Returns its PID."""
        port = find_free()
        own = {"PORT": str(port), "MEDIA_NODE": name, "MEDIA_STREAM_URL": f"ws://127.0.0.1:{port}/media"}
        command = [sys.executable, "-m", "bubblyphone.serve", "media"]
        media = self._start(command, self.environment | own, name)
        self._wait_for(media, lambda: "media" not in missing_parts("media", port))
        self._wait_for(media, lambda: len(tree(media.pid)) > 1)
        self._wait_for(media, lambda: _is_idle(media.pid))
        self._media.append(media)
        return media.pid

    def stop_media(self) -> None:
        """Stop all media processes. The web process then gets calls again."""
        while self._media:
            media = self._media.pop()
            media.terminate()
            media.wait()

    def start_command(self, name: str, environment: Mapping[str, str]) -> int:
        """Starts `manage.py <name>` and returns its PID."""
        return self._start([sys.executable, "manage.py", name], environment, name).pid

    def start_worker(self) -> int:
        """Start the worker and wait until it has run the jobs that were due. Returns its PID."""
        worker = self._start([sys.executable, "manage.py", "qcluster"], self.environment, "qcluster")
        self._wait_for(worker, lambda: len(tree(worker.pid)) > 1)
        self._wait_for(worker, lambda: _is_idle(worker.pid, share=WORKER_SHARE))
        return worker.pid

    def start_clock(self) -> int:
        """Start the clock process, which meters calls and sends webhooks. Returns its PID."""
        clock = self._clock = self._start([sys.executable, "manage.py", "clock"], self.environment, "clock")
        self._wait_for(clock, lambda: _is_idle(clock.pid, share=CLOCK_SHARE))
        return clock.pid

    def stop_clock(self) -> None:
        assert self._clock is not None
        self._clock.terminate()
        self._clock.wait()

    def start_relay(self, module: str, model_url: str) -> tuple[int, int]:
        """Start `tests.bench.relay` or `tests.bench.floor`. Returns its PID and port."""
        port = find_free()
        relay = self._start([sys.executable, "-m", module, str(port), model_url], dict(os.environ), module)
        self._wait_for(relay, lambda: not is_free(port))
        return relay.pid, port

    def log(self) -> str:
        """The last output of the measured processes."""
        return "".join(path.read_text() for path in self._home.glob("*.output"))[-4000:]

    def _start(self, command: list[str], environment: Mapping[str, str], name: str) -> subprocess.Popen[bytes]:
        with (self._home / f"{name}.output").open("wb") as output:
            process = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self._reaper.watch(process.pid)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def _wait_for(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ChildProcessError(f"The process did not start:\n{self.log()}")
            time.sleep(0.1)


def run_module(module: str, environment: Mapping[str, str], *arguments: str) -> bytes:
    """Run a module to its end; returns what it printed."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE).stdout


def _is_idle(pid: int, share: float = IDLE_SHARE) -> bool:
    """Whether a process and its children are idle for two seconds."""
    before = cpu_seconds(tree(pid))
    time.sleep(2)
    return cpu_seconds(tree(pid)) - before < share * 2


def _is_alive(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
