"""`python -m tests.bench.other_work`: what an installation does in addition to calls, sent by a process that cannot delay frames.

For each line of standard input, a number of seconds, it sends API requests, opens dashboard pages of an account with many calls, writes
webhooks that the clock sends, and queues the nightly check of the ledger, again and again. Then it prints what was reached as JSON.
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

from tests.bench.api import Sender
from tests.bench.measure import quantile
from tests.bench.system import START_SECONDS, run_module
from tests.bench.webhook_receiver import Endpoints
from tests.bench.webhooks import ENDPOINTS, Feeder, number_of, until_listening

API_RATE, PAGE_RATE, WEBHOOK_RATE = 100, 5, 200  # a second
PAGES = ("/", "/calls", "/calls/charts", "/calls?status=completed", "/billing")
POLL_SECONDS = 0.1


class Prepared(NamedTuple):
    """What `tests.bench.other_rows` made."""

    cookie: str
    call_pages: list[str]
    endpoint_ids: list[int]


@dataclass(frozen=True, slots=True)
class Reached:
    """How many there were, over how many seconds, and how long they took in ms."""

    count: int
    seconds: float
    waits_ms: list[float]

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def ms(self, share: float) -> float:
        return quantile(self.waits_ms, share)

    def __add__(self, other: "Reached") -> "Reached":
        return Reached(self.count + other.count, self.seconds + other.seconds, self.waits_ms + other.waits_ms)


@dataclass(slots=True)
class Means:
    """What the work is done with."""

    http: aiohttp.ClientSession
    database: psycopg.AsyncConnection  # autocommit
    feeding: psycopg.AsyncConnection
    endpoints: Endpoints
    keys: list[str]


class OtherWork:
    """Everything is sent at its rate, whether or not earlier answers have come."""

    def __init__(self, means: Means, made: Prepared) -> None:
        self._http = means.http
        self._database = means.database
        self._endpoints = means.endpoints
        self._api = Sender(means.http, means.keys)
        self._feeder = Feeder(means.feeding, made.endpoint_ids)
        self._cookie = made.cookie
        self._pages = [page for call in made.call_pages for page in (call, *PAGES)]
        self._opened = 0

    async def run(self, seconds: float) -> dict[str, Reached]:
        api, pages, webhooks, checks = await asyncio.gather(
            self._timed(self._api.send_at_rate(round(API_RATE * seconds), API_RATE)),
            self._timed(self._open_pages(seconds)),
            self._send_webhooks(seconds),
            self._check_ledger(seconds),
        )
        return {"api": api, "pages": pages, "webhooks": webhooks, "checks": checks}

    async def _timed(self, sending: Awaitable[list[float]]) -> Reached:
        began = asyncio.get_running_loop().time()
        waits = await sending
        return Reached(len(waits), asyncio.get_running_loop().time() - began, [1000 * wait for wait in waits])

    async def _open_pages(self, seconds: float) -> list[float]:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def one(place: int) -> float:
            due = began + place / PAGE_RATE
            await asyncio.sleep(max(0.0, due - loop.time()))
            page, self._opened = self._pages[self._opened % len(self._pages)], self._opened + 1
            async with self._http.get(page, headers={"Cookie": self._cookie}, allow_redirects=False) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{page}: {answer.status}")
            return loop.time() - due

        return await asyncio.gather(*(one(place) for place in range(round(PAGE_RATE * seconds))))

    async def _send_webhooks(self, seconds: float) -> Reached:
        self._endpoints.arrivals.clear()
        self._feeder.written_at.clear()
        began = asyncio.get_running_loop().time()
        await self._feeder.write_at_rate(WEBHOOK_RATE, seconds)
        await self._endpoints.wait_for(len(self._feeder.written_at), START_SECONDS)
        took = asyncio.get_running_loop().time() - began
        arrivals = self._endpoints.arrivals
        return Reached(
            len(arrivals), took, [1000 * (one.at - self._feeder.written_at[number_of(one)]) for one in arrivals]
        )

    async def _check_ledger(self, seconds: float) -> Reached:
        """One check after another. The last one is waited for."""
        from billing.ledger_verification import verify_nightly  # after django.setup()
        from bubblyphone.core.background.jobs import enqueue

        loop, waits = asyncio.get_running_loop(), []
        began = loop.time()
        while loop.time() - began < seconds:
            queued_at = loop.time()
            await asyncio.to_thread(enqueue, verify_nightly)
            while await self._count("SELECT count(*) FROM django_q_ormq"):
                await asyncio.sleep(POLL_SECONDS)
            waits.append(1000 * (loop.time() - queued_at))
        if failed := await self._count("SELECT count(*) FROM django_q_task WHERE NOT success"):
            raise RuntimeError(f"{failed} jobs failed")
        return Reached(len(waits), loop.time() - began, waits)

    async def _count(self, query: str) -> int:
        row = await (await self._database.execute(query)).fetchone()
        assert row is not None
        return int(row[0])


async def main() -> None:
    keys, calls = json.loads(os.environ["BENCH_API_KEYS"]), os.environ["BENCH_CALLS"]
    origin = f"http://127.0.0.1:{os.environ['PORT']}"
    limit = aiohttp.TCPConnector(limit=200)
    async with Endpoints(ENDPOINTS, 0) as endpoints, aiohttp.ClientSession(origin, connector=limit) as http:
        arguments = [calls, *endpoints.urls]
        made = Prepared(
            *json.loads(await asyncio.to_thread(run_module, "tests.bench.other_rows", os.environ, *arguments))
        )
        connect = partial(psycopg.AsyncConnection.connect, os.environ["DATABASE_URL"], autocommit=True)
        async with await connect() as database, await connect() as feeding:
            await until_listening(database)
            work = OtherWork(Means(http, database, feeding, endpoints, keys), made)
            _print({})
            while line := await asyncio.to_thread(sys.stdin.readline):
                _print({name: asdict(reached) for name, reached in (await work.run(float(line))).items()})


def _print(found: object) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    uvloop.run(main())
