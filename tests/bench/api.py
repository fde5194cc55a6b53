"""The cost of an API request: GETs of small lists from the platform's web process. To measure only this: `python -m tests.bench.api`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from tests.bench.scale import Scale
from tests.bench.system import System, cores, cpu_seconds, on_cores, trees

# A page of 25 calls, and two lists with a few rows.
PATHS = ("/api/v1/calls", "/api/v1/phone-numbers", "/api/v1/api-keys?per_page=10")
CLIENTS = 8
OPEN_RATE = 150  # requests per second, for the latency
FIRST = 300  # warm-up requests that are not measured: they fill caches and open connections


@dataclass(frozen=True, slots=True)
class ApiCost:
    """Milliseconds of one core per request, and latency in ms at OPEN_RATE requests per second."""

    web_ms: float
    services_ms: float
    p50_ms: float
    p99_ms: float

    @property
    def per_core(self) -> float:
        """Requests per second that the web process could answer on one core."""
        return 1000 / self.web_ms


async def measure_api(port: int, keys: Sequence[str], web: int, services: list[int], count: int) -> ApiCost:
    """Two runs: one as fast as CLIENTS connections allow, to measure CPU time, and one at a fixed rate, to measure latency."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=200)) as http:
        sender = RequestSender(http, keys)
        await sender.send_all(FIRST)
        before = [cpu_seconds(trees([web])), cpu_seconds(trees(services))]
        await sender.send_all(count)
        after = [cpu_seconds(trees([web])), cpu_seconds(trees(services))]
        latencies = sorted(await sender.send_at_rate(count))
    return ApiCost(
        web_ms=1000 * (after[0] - before[0]) / count,
        services_ms=1000 * (after[1] - before[1]) / count,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[len(latencies) * 99 // 100],
    )


class RequestSender:
    """Cycles through the paths and keys, one of each per request."""

    def __init__(self, http: aiohttp.ClientSession, keys: Sequence[str]) -> None:
        self._http = http
        self._keys = keys
        self._sent = 0

    async def send_all(self, count: int) -> None:
        last = self._sent + count

        async def client() -> None:
            while self._sent < last:
                await self.send()

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    async def send_at_rate(self, count: int, rate: float = OPEN_RATE) -> list[float]:
        """Seconds since each request was due, so waiting for other requests counts as latency.

        Tasks are created when they are due: creating thousands at the start would take up to 100 ms, and the first requests would be late.
        """
        loop, sending = asyncio.get_running_loop(), []
        began = loop.time()

        async def send_due(due: float) -> float:
            await self.send()
            return loop.time() - due

        for place in range(count):
            due = began + place / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            sending.append(asyncio.create_task(send_due(due)))
        return await asyncio.gather(*sending)

    async def send(self) -> None:
        number, self._sent = self._sent, self._sent + 1
        key = self._keys[number % len(self._keys)]
        async with self._http.get(PATHS[number % 3], headers={"Authorization": f"Bearer {key}"}) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {body[:200]!r}")


def brief(cost: ApiCost) -> str:
    return (
        f"API: {cost.web_ms:.2f} ms of CPU per request ({cost.per_core:.0f}/s per core), services {cost.services_ms:.2f} ms; "
        f"at {OPEN_RATE}/s p50 {cost.p50_ms:.1f}, p99 {cost.p99_ms:.1f} ms"
    )


async def main() -> None:
    measured, own = cores()
    os.sched_setaffinity(0, own)
    with System() as system:
        with on_cores(measured):
            web, services, port = await asyncio.to_thread(system.start_platform, {})
        sys.stdout.write(brief(await measure_api(port, system.api_keys, web, services, Scale().api_requests)) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
