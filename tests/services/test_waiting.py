"""While other servers do not respond, waiting requests hold no database connection, so nobody else has to wait."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from statistics import median
from typing import Any

import httpx2
import pytest

from tests.services import web
from tests.services.silence import SilentServer

CONNECTIONS = 4  # database connections of the web process
CROWD, AT_ONCE = 90, 2
FEW = 12
Account = dict[str, Any]


class Platform:
    """A web process whose external services never respond, with several accounts."""

    def __init__(self, url: str, silent: SilentServer, accounts: list[Account]) -> None:
        self.url, self.silent, self.accounts = url, silent, accounts

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=self.url, limits=limits, timeout=90, trust_env=False) as client:
            yield client

    async def until_waiting(self, count: int, requests: list[asyncio.Task[httpx2.Response]]) -> None:
        until = time.monotonic() + 240
        while self.silent.taken < count:
            assert not [task.result() for task in requests if task.done()], "a request was answered instead of waiting"
            assert time.monotonic() < until, f"{self.silent.taken} of {count} wait"
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    silent = SilentServer()
    server = f"http://127.0.0.1:{silent.port}"
    variables = {
        "DATABASE_POOL_SIZE": str(CONNECTIONS), "TELNYX_API_KEY": "key", "TELNYX_BASE_URL": server, "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_API_BASE": server, "VENDORS_OF_TESTS": f"{server}/v1", "CONNECTIONS_PER_ADDRESS": "0",
        "STORAGE_URL": f"s3+http://key:secret@127.0.0.1:{silent.port}/bucket?region=us-east-1",
    }  # fmt: skip
    try:
        with web.running(**variables) as (url, database, _):
            command = [sys.executable, "-m", "tests.services.waiting_rows", str(CROWD + 2)]
            environment = {**os.environ, "DATABASE_URL": database}
            rows = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            made = Platform(url, silent, [json.loads(row) for row in rows.splitlines()])
            yield made
            start_and_abandon_a_trial(made)
            # The process must now stop, even though the trial's server never responds.
    finally:
        silent.stop()


def page(account: Account, path: str, method: str = "POST", **options: Any) -> dict[str, Any]:
    """A request from a signed-in browser."""
    token = "c" * 32
    headers = {"Cookie": f"sessionid={account['session']}; csrftoken={token}", "X-CSRFToken": token}
    return {"method": method, "url": path, "headers": {**headers, **options.pop("headers", {})}, **options}


def api(account: Account, path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    """A request with the account's key."""
    return {
        "method": method,
        "url": f"/api/v1/{path}",
        "headers": {"Authorization": f"Bearer {account['api_key']}"},
        **options,
    }


def trial(account: Account, port: int, **options: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/tools"
    form = {"tool": "0", "trial-0-name": "book", "trial-0-arguments": "{}", "tool_webhook_url": url}
    return page(account, "/agents/try-tool", data=form, **options)


def start_and_abandon_a_trial(platform: Platform) -> None:
    """Start a trial, and disconnect as soon as it waits for the server."""
    before, until = platform.silent.hold(), time.monotonic() + 60
    with httpx2.Client(base_url=platform.url, timeout=httpx2.Timeout(90, read=0.5), trust_env=False) as client:
        while platform.silent.taken == before:
            assert time.monotonic() < until
            with contextlib.suppress(httpx2.ReadTimeout):
                client.request(**trial(platform.accounts[0], platform.silent.port))


async def seconds(client: httpx2.AsyncClient, request: Mapping[str, Any]) -> float:
    began = time.monotonic()
    assert (await client.request(**request)).status_code == 200
    return time.monotonic() - began


async def median_seconds_of(client: httpx2.AsyncClient, other: Account) -> float:
    """The median time that another account waits for a page and for the API."""
    return median([await seconds(client, page(other)) for page in (overview, numbers) for _ in range(5)])


def overview(account: Account) -> dict[str, Any]:
    return page(account, "/", "GET")


def numbers(account: Account) -> dict[str, Any]:
    return api(account, "phone-numbers")


def allowed(usual: float) -> float:
    """One second on a machine that is not overloaded. A request without a connection would wait ten."""
    return max(1.0, 5 * usual)


async def test_a_third_concurrent_trial_of_an_account_is_refused(platform: Platform) -> None:
    account, port = platform.accounts[-1], platform.silent.port
    async with platform.client() as client:
        before = platform.silent.hold()
        waiting = [asyncio.create_task(client.request(**trial(account, port))) for _ in range(AT_ONCE)]
        try:
            await platform.until_waiting(before + AT_ONCE, waiting)
            refused = await client.request(**trial(account, port))
            fragment = await client.request(**trial(account, port, headers={"HX-Request": "true"}))
        finally:
            platform.silent.let_go()
            await asyncio.gather(*waiting)
    assert (refused.status_code, fragment.status_code) == (429, 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 15
    assert "Two tool tests are already running." in refused.text
    assert fragment.text == "Two tool tests are already running."


async def test_many_tool_trials_delay_nobody_else(platform: Platform) -> None:
    crowd, other = platform.accounts[:CROWD], platform.accounts[CROWD]
    port = platform.silent.port
    async with platform.client() as client:
        usual = await median_seconds_of(client, other)
        before = platform.silent.hold()
        waiting: list[asyncio.Task[httpx2.Response]] = []
        try:
            for start in range(0, CROWD, FEW):  # starting all at once would make them wait for the CPU instead
                trials = [trial(account, port) for account in crowd[start : start + FEW] for _ in range(AT_ONCE)]
                waiting += [asyncio.create_task(client.request(**each)) for each in trials]
                await platform.until_waiting(before + len(waiting), waiting)
            assert len(waiting) == CROWD * AT_ONCE
            assert await median_seconds_of(client, other) < allowed(usual)
        finally:
            platform.silent.let_go()
            answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} == {302}


# Other requests that wait for an unresponsive server: the carrier, a model provider, Stripe, the storage.
WAITING: dict[str, Callable[[Account], dict[str, Any]]] = {
    "key test": lambda account: api(account, f"model-keys/{account['model_key']}/test", "POST"),
    "key test on the page": lambda account: page(account, f"/model-keys/{account['model_key']}/test"),
    "number search": lambda account: api(account, "phone-numbers/available"),
    "number search on the page": lambda account: page(account, "/numbers/buy?country=US&number_type=local", "GET"),
    "purchase": lambda account: api(account, "phone-numbers", "POST", json={"phone_number": "+14155550100"}),
    "release": lambda account: api(account, f"phone-numbers/{account['number']}", "DELETE"),
    "countries": lambda account: api(account, "countries"),
    "payment": lambda account: api(account, "billing/top-up", "POST", json={"amount": 20}),
    "documents": lambda account: page(
        account, "/countries/GB/local", files={"requirement-0": ("a.pdf", b"%PDF-1.4\n")}
    ),
    "call": lambda account: api(
        account, "calls", "POST", json={"from": account["e164"], "to": "+14155550123", "mode": "webhook"}
    ),
    "recording": lambda account: {"method": "GET", "url": f"/recordings{account['recording']}"},
}


@pytest.mark.parametrize("name", WAITING)
async def test_waiting_requests_delay_nobody_else(platform: Platform, name: str) -> None:
    crowd, others = platform.accounts[:FEW], platform.accounts[FEW:]
    other = others[
        list(WAITING).index(name)
    ]  # a different account for each test, because a key can send 60 requests per minute
    async with platform.client() as client:
        usual = await median_seconds_of(client, other)
        before = platform.silent.hold()
        waiting = [asyncio.create_task(client.request(**WAITING[name](account))) for account in crowd]
        try:
            await platform.until_waiting(before + FEW, waiting)
            assert not any(task.done() for task in waiting)
            assert await median_seconds_of(client, other) < allowed(usual)
        finally:
            platform.silent.let_go()
            for task in waiting:
                task.cancel()
                with suppress(asyncio.CancelledError, httpx2.HTTPError):
                    await task
