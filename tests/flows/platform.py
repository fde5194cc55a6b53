"""The whole platform as a user starts it, in its own folder and on its own port."""

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg

from bubblyphone.services.ports import find_free
from tests import databases

PROJECT = Path(__file__).resolve().parents[2]
# The log says every twenty seconds what the start is waiting for.
START_SECONDS = 300
# The account's API keys take turns, so that tests can poll often (each key is limited to 100 requests per minute).
KEY_COUNT = 20
# Settings of the test run or its environment, which the platform must not inherit.
NOT_INHERITED = (
    "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "DJANGO_SETTINGS_MODULE", "DATA_DIR", "PUBLIC_URL",
    "CARRIER", "TELNYX_API_KEY", "TWILIO_ACCOUNT_SID", "OPENAI_API_KEY", "GEMINI_API_KEY", "LOCAL_LLM_BASE_URL", "STRIPE_SECRET_KEY",
)  # fmt: skip
CREDIT = (
    "INSERT INTO billing_ledgerentry (developer_id, key, kind, amount, description, created_at)"
    " VALUES (%s, %s, 'test_credit', %s, 'Test credit', now())"
)
OVER = ("completed", "failed")


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number of the demo account."""

    id: int
    e164: str
    secret: str  # signs its webhooks


class Platform:
    """`python -m bubblyphone.services.run`, and an API client for its demo account."""

    def __init__(self, data_dir: Path, *, carriers: Sequence[str] = ("",), **environment: str) -> None:
        """`carriers`: numbers are bought from these in turn. "" is the default carrier."""
        self._carriers = itertools.cycle(carriers)
        self.data_dir = data_dir
        self.port = find_free()
        self.url = f"http://localhost:{self.port}"
        self._environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED} | {
            "PORT": str(self.port),
            "DATA_DIR": str(data_dir),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        if "TEST_DATABASE_URL" in os.environ:  # in a test run
            self._environment["DATABASE_URL"] = databases.make_copy(databases.template())
        self.log = data_dir / "run.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx2.Client(base_url=f"{self.url}/api/v1", timeout=60, trust_env=False)
        self._keys: list[str] = []
        self._turns = itertools.count()

    # --- start and stop -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start and wait until it is ready."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bubblyphone.services.run"],
                cwd=PROJECT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the platform did not start:\n{self.log_end()}")
            time.sleep(0.2)
        self._sign_in()

    def _sign_in(self) -> None:
        """Read the demo account, and create its API keys."""
        self.demo: dict[str, Any] = json.loads((self.data_dir / "demo.json").read_text())
        self.secrets: dict[str, str] = json.loads((self.data_dir / "secrets.json").read_text())
        if not self._keys:
            self._keys = [self.demo["api_key"]]
            made = [
                self._client.post("/api-keys", json={"label": "flows"}, headers=self._auth()) for _ in range(KEY_COUNT)
            ]
            self._keys = [response.json()["data"]["key"] for response in made]

    def stop(self) -> None:
        """Stop as Ctrl-C does, and wait for the end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(40)

    def is_ready(self) -> bool:
        """Whether the web process and the media process are ready."""
        if not (self.data_dir / "demo.json").exists():
            return False
        media_port = json.loads((self.data_dir / "secrets.json").read_text()).get("MEDIA_PORT", 0)
        try:
            # Without CA certificates: loading them takes CPU time that the starting platform needs.
            return all(
                httpx2.get(f"{url}/readyz", timeout=5, trust_env=False, verify=False).status_code == 200
                for url in (self.url, f"http://127.0.0.1:{media_port}")
            )
        except httpx2.HTTPError:
            return False

    def log_end(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]

    # --- the API ------------------------------------------------------------------------------------------------------

    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[next(self._turns) % len(self._keys)]}"}

    async def request(self, method: str, path: str, *, key: str = "", **options: Any) -> httpx2.Response:
        """Send an API request as the demo account or with another `key`, without blocking the event loop."""
        headers = {"Authorization": f"Bearer {key}"} if key else self._auth()
        return await asyncio.to_thread(self._client.request, method, path, headers=headers, **options)

    async def get(self, path: str) -> Any:
        """The `data` of a response."""
        response = await self.request("GET", path)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    async def post(self, path: str, body: dict[str, Any] | None = None, *, status: int = 201) -> Any:
        """The `data` of a response with this status."""
        response = await self.request("POST", path, json=body or {})
        assert response.status_code == status, response.text
        return response.json()["data"]

    async def register(self) -> tuple[str, str]:
        """Create an account. Returns its email address and a session token."""
        email = f"{os.urandom(5).hex()}@flows.test"
        body = {"name": "New", "email": email, "password": "secret123", "password_confirmation": "secret123"}
        response = await self.request("POST", "/auth/register", json=body)
        assert response.status_code == 201, response.text
        return email, response.json()["token"]

    async def number(self, *, carrier: str = "", **settings: Any) -> Number:
        """Buy a number from this carrier or from the next one in turn, and configure it."""
        self.credit(6)
        bought = await self._any_number(carrier or next(self._carriers))
        changed = await self.request("PATCH", f"/phone-numbers/{bought['id']}", json=settings)
        assert changed.status_code == 200, changed.text
        return Number(bought["id"], bought["phone_number"], bought["webhook_secret"])

    async def _any_number(self, carrier: str) -> dict[str, Any]:
        """Buy one of the available numbers. If another test has just bought it, try the next."""
        at = {"carrier": carrier} if carrier else {}
        offered = await self.get(f"/phone-numbers/available?{urlencode({'country': 'US', **at})}")
        for offer in random.sample(offered, len(offered)):
            body = {"phone_number": offer["phone_number"], **at}
            response = await self.request("POST", "/phone-numbers", json=body)
            if response.status_code == 201:
                return dict(response.json()["data"])
            assert "is not available" in response.text, response.text
        raise AssertionError("other tests bought every available number")

    async def call_on(self, number: Number, seconds: float = 20) -> dict[str, Any]:
        """Wait for a call of a number, and return the newest."""
        calls = await self.until(lambda: self.get(f"/calls?phone_number_id={number.id}"), seconds)
        return dict(calls[0])

    async def ended_call(self, call_id: int | str, seconds: float = 25) -> dict[str, Any]:
        """Wait until a call has ended, and return it."""

        async def over() -> dict[str, Any] | None:
            call: dict[str, Any] = await self.get(f"/calls/{call_id}")
            return call if call["status"] in OVER else None

        found: dict[str, Any] = await self.until(over, seconds)
        return found

    async def events(self, call_id: int | str) -> list[str]:
        """The event types on a call's timeline, in order."""
        return [event["event_type"] for event in await self.get(f"/calls/{call_id}/events")]

    async def transcript(self, call_id: int | str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.get(f"/calls/{call_id}/transcript"))["transcript"]
        return entries

    async def until(self, condition: Callable[[], Any | Awaitable[Any]], seconds: float = 20) -> Any:
        """Wait for a true value. Fails with the platform's log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value := (await value if isinstance(value, Awaitable) else value):
                return value
            await asyncio.sleep(0.3)
        raise AssertionError(f"timed out after {seconds} s; end of the log:\n{self.log_end()}")

    # --- internals ----------------------------------------------------------------------------------------------------

    @property
    def exchange_url(self) -> str:
        return f"http://127.0.0.1:{self.secrets['EXCHANGE_PORT']}"

    @property
    def exchange_key(self) -> str:
        return self.secrets["EXCHANGE_API_KEY"]

    def processes(self) -> dict[int, str]:
        """The supervisor's own children: pid → command line."""
        assert self._process is not None
        rows = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        fields = [row.split(None, 2) for row in rows.splitlines()[1:]]
        return {int(pid): command for pid, parent, command in fields if int(parent) == self._process.pid}

    def kill(self, words: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the process whose command line contains these words. Returns its pid."""
        pid = next(pid for pid, command in self.processes().items() if words in command)
        os.kill(pid, number)
        return pid

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL in the platform's database. Changes are committed."""
        address = json.loads((self.data_dir / "environment.json").read_text())["DATABASE_URL"]
        with psycopg.connect(address) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def credit(self, dollars: float, email: str = "") -> None:
        """Add credit to the demo account or another one: there is no payment provider."""
        account = email or self.demo["email"]
        ((developer_id,),) = self.query("SELECT id FROM accounts_developer WHERE email = %s", account)
        self.query(CREDIT, developer_id, f"flows:{os.urandom(6).hex()}", dollars)

    def entries(self, call_id: int) -> dict[str, Any]:
        """A call's ledger entries: kind → amount."""
        return dict(self.query("SELECT kind, amount FROM billing_ledgerentry WHERE key LIKE %s", f"call:{call_id}:%"))
