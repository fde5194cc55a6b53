"""`make bench`: what the platform adds to a call, in latency and CPU, beside a bare relay on the same work.

Writes docs/benchmarks.md. Ends with 1 when frames were lost or the added latency is too large.
"""

import argparse
import asyncio
import gc
import itertools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from tests.bench import report
from tests.bench.carrier import BenchCarrier
from tests.bench.frames import REALTIME, TELNYX
from tests.bench.line import Line
from tests.bench.measure import OpenLine, Run, measure, measure_interruptions
from tests.bench.model import EchoModel
from tests.bench.system import System, cores, on_cores

NUMBER = "+14155550100"
JUDGED_CALLS = 20
LEVELS = (1, 10, 20, 50)


@dataclass(slots=True)
class Results:
    direct: list[Run] = field(default_factory=list)
    relay: list[Run] = field(default_factory=list)
    platform: list[Run] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    missing_clears: int = 0


class Bench:
    """Opens calls over each of the three ways. Every call of the whole run has a number of its own."""

    def __init__(self, carrier: BenchCarrier, model: EchoModel, http: aiohttp.ClientSession) -> None:
        self._carrier = carrier
        self._model = model
        self._http = http
        self._numbers = itertools.count()
        self.relay_url = ""

    async def direct(self, position: int) -> Line:
        """Straight to the model: what the measurement itself takes."""
        socket = await self._http.ws_connect(self._model.socket_url, compress=0, max_msg_size=0)
        return Line(next(self._numbers), socket, REALTIME)

    async def relayed(self, position: int) -> Line:
        socket = await self._carrier.open_stream(self.relay_url, "v3:relay")
        return Line(next(self._numbers), socket, TELNYX)

    async def called(self, position: int) -> Line:
        """A call on the platform: signed webhook, answer, media stream."""
        call, socket = await self._carrier.place_call(NUMBER)
        return Line(next(self._numbers), socket, TELNYX, at_end=lambda: self._carrier.hang_up(call, NUMBER))


async def run(levels: tuple[int, ...], seconds: float) -> Results:
    """Start everything, measure all levels, end everything."""
    measured, own = cores()
    os.sched_setaffinity(0, own)
    results = Results()
    with System() as system:
        async with EchoModel() as model, BenchCarrier() as carrier, aiohttp.ClientSession() as http:
            bench = Bench(carrier, model, http)
            with on_cores(measured):
                relay, relay_port = system.start_relay(model.socket_url)
                variables = {
                    "TELNYX_API_KEY": "KEY-bench",
                    "TELNYX_PUBLIC_KEY": carrier.public_key,
                    "TELNYX_BASE_URL": carrier.base_url,
                    "OPENAI_API_KEY": "sk-bench",
                    "OPENAI_BASE_URL": model.base_url,
                }
                web, services, port = await asyncio.to_thread(system.start_platform, NUMBER, variables)
            bench.relay_url = f"ws://127.0.0.1:{relay_port}/"
            carrier.webhook_url = f"http://127.0.0.1:{port}/webhooks/telnyx"
            gc.collect()
            gc.freeze()
            await _measure_all(results, bench, model, levels, seconds, [relay], [web], services)
        if log := system.log():
            sys.stderr.write(log)
    return results


async def _measure_all(
    results: Results,
    bench: Bench,
    model: EchoModel,
    levels: tuple[int, ...],
    seconds: float,
    relay: list[int],
    web: list[int],
    services: list[int],
) -> None:
    ways: list[tuple[str, OpenLine, list[Run], list[list[int]]]] = [
        ("direct", bench.direct, results.direct, []),
        ("relay", bench.relayed, results.relay, [relay]),
        ("platform", bench.called, results.platform, [web, services]),
    ]
    for calls in levels:
        for name, open_line, runs, watched in ways:
            runs.append(await measure(open_line, calls, seconds, watched))
            say(f"{calls:3} calls, {name}: {report.brief(runs[-1])}")
    results.interruptions, results.missing_clears = await measure_interruptions(
        bench.called, model, JUDGED_CALLS, seconds
    )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only 20 calls, for three seconds")
    parser.add_argument("--limit", type=float, default=10.0, help="added latency at p99 that is too much, in ms (10)")
    parser.add_argument("--write", type=Path, help="where to write the report (docs/benchmarks.md, nowhere if quick)")
    options = parser.parse_args()
    if not hasattr(os, "sched_setaffinity"):
        say("The benchmark needs Linux: it holds processes to cores and reads their CPU time from /proc.")
        return 2
    levels, seconds = ((JUDGED_CALLS,), 3.0) if options.quick else (LEVELS, 15.0)
    results = uvloop.run(run(levels, seconds))
    tables = report.tables(results.direct, results.relay, results.platform, results.interruptions)
    say("\n" + tables)
    target = options.write or (None if options.quick else Path(__file__).resolve().parents[2] / "docs/benchmarks.md")
    if target is not None:
        target.write_text(report.page(tables, seconds))
    failures = judge(results, options.limit)
    say("\n".join(failures) or f"p99 < {options.limit:g} ms and no lost frame at {JUDGED_CALLS} calls.")
    return 1 if failures else 0


def judge(results: Results, limit_ms: float) -> list[str]:
    """What is not as it must be, at 20 calls."""
    judged = {run.calls: run for run in results.platform}[JUDGED_CALLS]
    base = {run.calls: run for run in results.direct}[JUDGED_CALLS]
    failures = []
    if judged.lost or judged.repeated or judged.disordered:
        failures.append(
            f"FAILED: {judged.lost} lost, {judged.repeated} repeated, {judged.disordered} disordered frames."
        )
    if (added := report.added_ms(judged, base, 0.99)) >= limit_ms:
        failures.append(f"FAILED: the platform adds {added:.1f} ms at p99; the limit is {limit_ms:g} ms.")
    if results.missing_clears:
        failures.append(f"FAILED: {results.missing_clears} interruptions without a clear, or clears without one.")
    return failures


if __name__ == "__main__":
    sys.exit(main())
