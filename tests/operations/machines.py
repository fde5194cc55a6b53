"""An installation as on several machines: each role twice behind HAProxy with `deploy/haproxy.cfg`, all on loopback."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Self

import httpx2

from bubblyphone.services.environment import (
    base_environment,
    exchange_environment,
    store_environment,
)
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.ports import find_free
from bubblyphone.services.postgres import EmbeddedPostgres
from bubblyphone.services.secrets_store import SecretsStore
from bubblyphone.services.valkey import EmbeddedValkey
from tests.flows.platform import PROJECT, Platform

COMMANDS = {
    "web": ["-m", "bubblyphone.serve", "web"],
    "media": ["-m", "bubblyphone.serve", "media"],
    "clock": ["manage.py", "clock"],
    "worker": ["manage.py", "qcluster"],
    "exchange": ["manage.py", "exchange"],
    "prepare": ["-m", "bubblyphone.prepare"],
}
ROLES = ("web", "media", "clock", "worker")
START_SECONDS = 300.0


class Process:
    """A process of one role, such as `media-2`. It logs to a file in the installation's folder."""

    def __init__(self, name: str, code: Path, environment: Mapping[str, str], log: IO[bytes]) -> None:
        self.name = name
        self.popen = subprocess.Popen(
            [sys.executable, *COMMANDS[name.partition("-")[0]]],
            cwd=code, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


class Machines(Platform):
    """Use as `with Machines(folder, code) as machines:`. `code` is the checkout that the processes run at first."""

    def __init__(self, home: Path, code: Path = PROJECT, **environment: str) -> None:
        super().__init__(home, **environment)
        self.code = code
        self.running: dict[str, Process] = {}
        self._ports = {f"{role}-{number}": find_free() for role in ("web", "media") for number in (1, 2)}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.stop)
            self.start()
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # --- lifecycle ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start services, exchange, every role twice, and the proxy. The demo account exists when it returns."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = self._stack.enter_context(self.log.open("ab"))
        self._reaper = OrphanReaper()
        self._stack.callback(self._reaper.close)
        store = SecretsStore(self.data_dir / "secrets.json")
        given = self._environment | {
            "PORT": str(self.port),
            "TRUSTED_PROXIES": "1",
            "DATABASE_POOL_SIZE": "10",
            "HOST": "127.0.0.1",
        }
        self._all = base_environment(given, self.data_dir, store)
        for name, service in (
            ("DATABASE_URL", EmbeddedPostgres(self.data_dir, store)),
            ("REDIS_URL", EmbeddedValkey(self.data_dir, store)),
        ):
            self._all[name] = service.start()
            self._stack.callback(service.stop)
            assert service.process is not None
            self._reaper.watch(service.process.pid, signal.SIGINT)
        self._all |= exchange_environment(self.port, store)
        store_environment(self.data_dir, self._all)
        self.run("exchange")
        self.prepare()
        for role in ROLES:
            for number in (1, 2):
                self.run(f"{role}-{number}")
        self._start_proxy()
        for name in self._ports:
            self.wait_for(name)
        self.wait_until(lambda: self._answers(self.url, "/readyz"), "the proxy")
        self._sign_in()

    def _start_proxy(self) -> None:
        """Start HAProxy as for two machines, but without a TLS certificate."""
        text = (PROJECT / "deploy/haproxy.cfg").read_text()
        text = re.sub(r"^\t(bind :443|http-request redirect scheme).*\n", "", text, flags=re.M)
        text = text.replace("bind :80", f"bind 127.0.0.1:{self.port}").replace("maxconn 20000", "maxconn 2000")
        text = re.sub(
            r"(server ([a-z]+-\d)) [\d.:]+", lambda match: f"{match[1]} 127.0.0.1:{self._ports[match[2]]}", text
        )
        path = self.data_dir / "haproxy.cfg"
        path.write_text(text)
        proxy = subprocess.Popen(
            ["haproxy", "-db", "-f", str(path)], stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._reaper.watch(proxy.pid)
        self._stack.callback(proxy.wait)
        self._stack.callback(proxy.terminate)

    def stop(self) -> None:
        for process in self.running.values():
            process.popen.terminate()
        for process in self.running.values():
            process.popen.wait(40)
        self.running.clear()
        self._stack.close()

    # --- processes ----------------------------------------------------------------------------------------------------

    def run(self, name: str) -> Process:
        """Start `web-1`, `clock-2` or another process, without waiting for it."""
        own = {"MEDIA_NODE": name}
        if name in self._ports:
            own["PORT"] = str(self._ports[name])
        process = self.running[name] = Process(name, self.code, self._all | own, self._log)
        self._reaper.watch(process.popen.pid)
        return process

    def prepare(self) -> None:
        """Run what each release runs before its processes start."""
        assert self.run("prepare").popen.wait(300) == 0, self.log_end()
        del self.running["prepare"]

    def end(self, name: str, number: signal.Signals) -> float:
        """Send a signal and wait for the process to exit. Returns the seconds it took."""
        process, began = self.running.pop(name), time.monotonic()
        process.popen.send_signal(number)
        process.popen.wait(60)
        with contextlib.suppress(ProcessLookupError):  # its children, as with the cgroup of a unit or container
            os.killpg(process.popen.pid, signal.SIGKILL)
        self._reaper.forget(process.popen.pid)
        return time.monotonic() - began

    def wait_for(self, name: str) -> None:
        """Wait until a web or media process is ready."""
        self.wait_until(lambda: self._answers(f"http://127.0.0.1:{self._ports[name]}", "/readyz"), name)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not become ready:\n{self.log_end()}"
            time.sleep(0.2)

    def is_ready(self) -> bool:
        return self._answers(self.url, "/readyz")

    @staticmethod
    def _answers(url: str, path: str) -> bool:
        try:
            return httpx2.get(url + path, timeout=5, trust_env=False, verify=False).status_code == 200
        except httpx2.HTTPError:
            return False

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes, for `manage.py` commands."""
        return self._all

    def start_command(self, command: list[str]) -> subprocess.Popen[str]:
        """Start a management command in the same environment. Its output is text."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.code, env=self._all, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
