"""`python -m tests.bench.other_work`: the work of an installation in addition to its calls, in a process separate from the calls' audio.

Prints a line when its rows are in the database. Then each line of standard input is a number of seconds: for this long it sends API
requests, opens dashboard pages of an account with many calls, writes webhooks that the clock sends, and queues one nightly check of the
ledger after another. Then it prints a `WorkDone` of each kind as a line of JSON.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from functools import partial
from typing import NamedTuple

import aiohttp
import django
import psycopg
import uvloop

from tests.bench.api import RequestSender
from tests.bench.measure import quantile
from tests.bench.system import START_SECONDS, run_module
from tests.bench.webhook_receiver import Endpoints
from tests.bench.webhooks import ENDPOINTS, Feeder, number_of, until_listening

API_RATE, PAGE_RATE, WEBHOOK_RATE = 100, 5, 200  # a second
PAGES = ("/", "/calls", "/calls/charts", "/calls?status=completed", "/billing")
POLL_SECONDS = 0.1


class PreparedRows(NamedTuple):
    """What `tests.bench.other_rows` prints."""

    cookie: str
    call_pages: list[str]
    endpoint_ids: list[int]


@dataclass(frozen=True, slots=True)
class WorkDone:
    """How many requests, deliveries or jobs were completed in how many seconds, and the latency of each."""

    count: int
    seconds: float
    latencies_ms: list[float]

    @property
    def rate(self) -> float:
        """Per second."""
        return self.count / self.seconds

    def quantile_ms(self, share: float) -> float:
        return quantile(self.latencies_ms, share)

    def __add__(self, other: "WorkDone") -> "WorkDone":
        return WorkDone(self.count + other.count, self.seconds + other.seconds, self.latencies_ms + other.latencies_ms)


@dataclass(slots=True)
class Resources:
    """The connections, endpoints and API keys that the work uses."""

    http: aiohttp.ClientSession
    database: psycopg.AsyncConnection  # autocommit
    webhook_database: psycopg.AsyncConnection  # for webhooks only
    endpoints: Endpoints
    api_keys: list[str]


class OtherWork:
    """API requests, pages and webhooks are sent at fixed rates, without waiting for earlier responses."""

    def __init__(self, resources: Resources, rows: PreparedRows) -> None:
        self._http = resources.http
        self._database = resources.database
        self._endpoints = resources.endpoints
        self._api = RequestSender(resources.http, resources.api_keys)
        self._feeder = Feeder(resources.webhook_database, rows.endpoint_ids)
        self._cookie = rows.cookie
        self._pages = [page for call in rows.call_pages for page in (call, *PAGES)]
        self._pages_opened = 0

    async def run(self, seconds: float) -> dict[str, WorkDone]:
        api, pages, webhooks, checks = await asyncio.gather(
            self._timed(self._api.send_at_rate(round(API_RATE * seconds), API_RATE)),
            self._timed(self._open_pages(seconds)),
            self._send_webhooks(seconds),
            self._check_ledger(seconds),
        )
        return {"api": api, "pages": pages, "webhooks": webhooks, "checks": checks}

    async def _timed(self, sending: Awaitable[list[float]]) -> WorkDone:
        began = asyncio.get_running_loop().time()
        latencies = await sending
        seconds = asyncio.get_running_loop().time() - began
        return WorkDone(len(latencies), seconds, [1000 * latency for latency in latencies])

    async def _open_pages(self, seconds: float) -> list[float]:
        """Seconds from when each request was due until its response was read."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def open_page(number: int) -> float:
            due = began + number / PAGE_RATE
            await asyncio.sleep(max(0.0, due - loop.time()))
            page, self._pages_opened = self._pages[self._pages_opened % len(self._pages)], self._pages_opened + 1
            async with self._http.get(page, headers={"Cookie": self._cookie}, allow_redirects=False) as response:
                await response.read()
                if response.status != 200:
                    raise RuntimeError(f"{page}: {response.status}")
            return loop.time() - due

        return await asyncio.gather(*(open_page(number) for number in range(round(PAGE_RATE * seconds))))

    async def _send_webhooks(self, seconds: float) -> WorkDone:
        self._endpoints.arrivals.clear()
        self._feeder.written_at.clear()
        began = asyncio.get_running_loop().time()
        await self._feeder.write_at_rate(WEBHOOK_RATE, seconds)
        await self._endpoints.wait_for(len(self._feeder.written_at), START_SECONDS)
        took = asyncio.get_running_loop().time() - began
        arrivals, written_at = self._endpoints.arrivals, self._feeder.written_at
        latencies = [1000 * (arrival.at - written_at[number_of(arrival)]) for arrival in arrivals]
        return WorkDone(len(arrivals), took, latencies)

    async def _check_ledger(self, seconds: float) -> WorkDone:
        """Queue one check after another, and wait for the last one."""
        from billing.ledger_verification import verify_nightly  # after django.setup()
        from bubblyphone.core.background.jobs import enqueue

        loop, latencies = asyncio.get_running_loop(), []
        began = loop.time()
        while loop.time() - began < seconds:
            queued_at = loop.time()
            await asyncio.to_thread(enqueue, verify_nightly)
            while await self._count("SELECT count(*) FROM django_q_ormq"):
                await asyncio.sleep(POLL_SECONDS)
            latencies.append(1000 * (loop.time() - queued_at))
        if failed := await self._count("SELECT count(*) FROM django_q_task WHERE NOT success"):
            raise RuntimeError(f"{failed} jobs failed")
        return WorkDone(len(latencies), loop.time() - began, latencies)

    async def _count(self, query: str) -> int:
        row = await (await self._database.execute(query)).fetchone()
        assert row is not None
        return int(row[0])


async def main() -> None:
    api_keys, calls = json.loads(os.environ["BENCH_API_KEYS"]), os.environ["BENCH_CALLS"]
    origin = f"http://127.0.0.1:{os.environ['PORT']}"
    connector = aiohttp.TCPConnector(limit=200)
    async with Endpoints(ENDPOINTS, 0) as endpoints, aiohttp.ClientSession(origin, connector=connector) as http:
        arguments = [calls, *endpoints.urls]
        rows = PreparedRows(
            *json.loads(await asyncio.to_thread(run_module, "tests.bench.other_rows", os.environ, *arguments))
        )
        connect = partial(psycopg.AsyncConnection.connect, os.environ["DATABASE_URL"], autocommit=True)
        async with await connect() as database, await connect() as webhook_database:
            await until_listening(database)
            work = OtherWork(Resources(http, database, webhook_database, endpoints, api_keys), rows)
            _print({})
            while line := await asyncio.to_thread(sys.stdin.readline):
                _print({kind: asdict(done) for kind, done in (await work.run(float(line))).items()})


def _print(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    uvloop.run(main())
