"""`python -m tests.bench.webhooks`: how many webhooks one clock process sends while 3 of 50 endpoints never respond.

`manage.py clock` runs on one core, as in production. PostgreSQL, the endpoints and the insertion of messages run on the other, if there
is one. Exits with 1 if a message is lost, is sent twice or has an invalid signature.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import uvloop

from tests.bench.system import START_SECONDS, System, cores, cpu_seconds, on_cores, run_module, trees
from tests.bench.webhook_receiver import Arrival, Endpoints

ENDPOINTS, HANGING = 50, 3
FEEDS_A_SECOND = 20
PATIENCE_SECONDS = 60.0
# Messages have the usual size of `call.ended`. Each endpoint's messages from two consecutive rounds are about the same call.
INSERT = """
INSERT INTO webhooks_webhookdelivery (webhook_id, developer_id, signing_secret_id, endpoint_id, subject, event_type, url, body,
    wants_reply, status, attempt_count, next_attempt_at, created_at)
SELECT 'evt_' || n, endpoint.developer_id, endpoint.signing_secret_id, endpoint.id,
    'call:' || (n / (2 * %(endpoints)s) * %(endpoints)s + n %% %(endpoints)s + 1), 'call.ended', endpoint.url,
    '{"event":"call.ended","number":' || n || ',"text":"' || repeat('x', 700) || '"}',
    false, 'pending', 0, clock_timestamp(), clock_timestamp()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
JOIN webhooks_webhookendpoint AS endpoint ON endpoint.id = (%(ids)s::bigint[])[n %% %(endpoints)s + 1]
ORDER BY n
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    sent: int
    seconds: float  # from the first message until the last arrival
    clock_ms: float  # CPU time per message
    services_ms: float
    p50_ms: float  # from insertion to arrival
    p99_ms: float
    unanswered: int
    overtaken: int  # calls
    faults: list[str]

    def __str__(self) -> str:
        return (
            f"{self.sent} webhooks in {self.seconds:.1f} s ({self.sent / self.seconds:.0f}/s), {self.unanswered} to endpoints that hang; "
            f"CPU {self.clock_ms:.2f} ms each, PostgreSQL and Valkey {self.services_ms:.2f} ms; "
            f"latency p50 {self.p50_ms:.0f}, p99 {self.p99_ms:.0f} ms; {self.overtaken} out of order"
        )


class Feeder:
    """Writes messages like the platform's transactions do: rows, and the notification that wakes the clock."""

    def __init__(self, database: psycopg.AsyncConnection, endpoint_ids: Sequence[int]) -> None:
        self._database = database
        self._ids = list(endpoint_ids)
        self.position = 0
        self.written_at: dict[int, float] = {}

    async def write(self, count: int) -> None:
        last = self.position + count - 1
        parameters = {"first": self.position, "last": last, "ids": self._ids, "endpoints": len(self._ids)}
        async with self._database.transaction():
            await self._database.execute(INSERT, parameters)
            await self._database.execute("SELECT pg_notify('webhook_deliveries', '')")
        self.written_at |= dict.fromkeys(range(self.position, last + 1), time.time())
        self.position = last + 1

    async def write_at_rate(self, rate: int, seconds: float) -> None:
        began = asyncio.get_running_loop().time()
        for place in range(round(FEEDS_A_SECOND * seconds)):
            await asyncio.sleep(max(0.0, began + place / FEEDS_A_SECOND - asyncio.get_running_loop().time()))
            await self.write(rate // FEEDS_A_SECOND)


def answering(first: int, count: int) -> int:
    """How many of `count` consecutive messages go to endpoints that respond."""
    return sum(number % ENDPOINTS >= HANGING for number in range(first, first + count))


def number_of(arrival: Arrival) -> int:
    return int(arrival.headers["x-webhook-id"].removeprefix("evt_"))


def find_faults(arrivals: Sequence[Arrival], written: Mapping[int, float], secrets: Sequence[str]) -> list[str]:
    """Messages that are lost, sent twice or not signed."""
    numbers = [number_of(arrival) for arrival in arrivals]
    expected = {number for number in written if number % ENDPOINTS >= HANGING}
    repeated = [number for number, times in Counter(numbers).items() if times > 1]
    unsigned = [arrival for arrival in arrivals if not is_signed(arrival, secrets[number_of(arrival) % ENDPOINTS])]
    found = {"lost": expected - {*numbers}, "sent twice": repeated, "not signed": unsigned}
    return [f"{len(faulty)} {fault}" for fault, faulty in found.items() if faulty]


def count_overtaken(arrivals: Sequence[Arrival]) -> int:
    """The number of calls whose second message arrived before the first. It waits only 10 ms for the response to the first."""
    place = {number_of(arrival): at for at, arrival in enumerate(arrivals)}
    firsts = [number for number in place if number // ENDPOINTS % 2 == 0 and number + ENDPOINTS in place]
    return sum(place[number] > place[number + ENDPOINTS] for number in firsts)


def is_signed(arrival: Arrival, secret: str) -> bool:
    message = arrival.headers["x-timestamp"].encode() + b"." + arrival.body
    return arrival.headers["x-signature"] == f"sha256={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


async def until_listening(database: psycopg.AsyncConnection) -> None:
    """Wait until the clock listens for messages."""
    query = "SELECT FROM pg_stat_activity WHERE state = 'idle' AND query LIKE 'LISTEN %'"
    async with asyncio.timeout(START_SECONDS):
        while not (await database.execute(query)).rowcount:
            await asyncio.sleep(0.1)


async def measure(rates: Sequence[int], seconds: float, backlog: int) -> list[Outcome]:
    """Measure one rate after another, then a backlog that is sent as fast as possible."""
    measured, own = cores()
    os.sched_setaffinity(0, own)
    outcomes = []
    with System() as system:
        async with Endpoints(ENDPOINTS, HANGING) as endpoints:
            environment, services = system.start_services({})
            made = json.loads(run_module("tests.bench.webhook_rows", environment, *endpoints.urls))
            with on_cores(measured):
                clock = system.start_command("clock", environment)
            async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"], autocommit=True) as database:
                await until_listening(database)
                feeder = Feeder(database, [pk for pk, _ in made])
                secrets = [secret for _, secret in made]
                for rate in (*rates, 0):
                    writing = feeder.write_at_rate(rate, seconds) if rate else feeder.write(backlog)
                    count = round(FEEDS_A_SECOND * seconds) * (rate // FEEDS_A_SECOND) if rate else backlog
                    outcomes.append(await _one(endpoints, feeder, writing, count, secrets, [clock], services))
                    sys.stdout.write(f"{f'{rate}/s' if rate else 'backlog'}: {outcomes[-1]}\n")
                    sys.stdout.flush()
        sys.stderr.write(system.log())
    return outcomes


async def _one(
    endpoints: Endpoints,
    feeder: Feeder,
    writing: Coroutine[Any, Any, None],
    count: int,
    secrets: Sequence[str],
    clock: Sequence[int],
    services: Sequence[int],
) -> Outcome:
    """Write the messages, wait until all that can arrive have arrived, and check them."""
    first = feeder.position
    feeder.written_at.clear()
    endpoints.arrivals.clear()
    endpoints.unanswered = 0
    before, began = (cpu_seconds(trees(clock)), cpu_seconds(trees(services))), time.time()
    await writing
    with contextlib.suppress(TimeoutError):
        await endpoints.wait_for(answering(first, count), PATIENCE_SECONDS)
    used = cpu_seconds(trees(clock)) - before[0], cpu_seconds(trees(services)) - before[1]
    arrivals = list(endpoints.arrivals)
    latencies = sorted(1000 * (arrival.at - feeder.written_at[number_of(arrival)]) for arrival in arrivals)
    return Outcome(
        sent=len(arrivals),
        seconds=arrivals[-1].at - began,
        clock_ms=1000 * used[0] / len(arrivals),
        services_ms=1000 * used[1] / len(arrivals),
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[len(latencies) * 99 // 100],
        unanswered=endpoints.unanswered,
        overtaken=count_overtaken(arrivals),
        faults=find_faults(arrivals, feeder.written_at, secrets),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.webhooks", description=__doc__)
    parser.add_argument(
        "--rates", type=int, nargs="*", default=[200, 1000], help="messages per second, one rate after another"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is held")
    parser.add_argument("--backlog", type=int, default=10_000, help="messages that are written all at once at the end")
    options = parser.parse_args()
    outcomes = uvloop.run(measure(options.rates, options.seconds, options.backlog))
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    sys.stdout.write("".join(f"FAILED: {fault}\n" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
