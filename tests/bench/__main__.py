"""`make bench`: the latency and CPU time that the platform adds to a call, compared with the floor and a bare relay under the same load.

Writes docs/benchmarks.md. Exits with 1 if frames were lost or the added latency is too large.
"""

import argparse
import asyncio
import contextlib
import gc
import itertools
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from tests.bench import api, judgment, report
from tests.bench.carrier import BenchCarrier
from tests.bench.frames import REALTIME, TELNYX
from tests.bench.line import Line
from tests.bench.measure import OpenLine, Run, measure, measure_interruptions
from tests.bench.model import EchoModel
from tests.bench.system import System, cores, on_cores

NUMBER = "+14155550100"
JUDGED_CALLS = 20
QUICK_PAIRS, QUICK_SECONDS = 5, 4.0
LEVELS = (1, 10, 20, 50, 100)


# Name, function that opens a call, list for the results, and the groups of processes whose CPU time counts.
Way = tuple[str, OpenLine, list[Run], list[list[int]]]


@dataclass(slots=True)
class Results:
    direct: list[Run] = field(default_factory=list)
    floor: list[Run] = field(default_factory=list)
    relay: list[Run] = field(default_factory=list)
    platform: list[Run] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    missing_clears: int = 0
    api_cost: api.ApiCost | None = None
    costs: list[str] = field(default_factory=list)  # failures of the CPU comparison


class Bench:
    """Opens calls over each of the ways. Every call of a run has its own number."""

    def __init__(self, carrier: BenchCarrier, model: EchoModel, http: aiohttp.ClientSession) -> None:
        self._carrier = carrier
        self._model = model
        self._http = http
        self._numbers = itertools.count()
        self.floor_url = self.relay_url = ""

    async def direct(self, position: int) -> Line:
        """Directly to the model: the overhead of the measurement itself."""
        socket = await self._http.ws_connect(self._model.socket_url, compress=0, max_msg_size=0)
        return Line(next(self._numbers), socket, REALTIME)

    async def spliced(self, position: int) -> Line:
        return await self._bare(self.floor_url)

    async def relayed(self, position: int) -> Line:
        return await self._bare(self.relay_url)

    async def _bare(self, url: str) -> Line:
        socket = await self._carrier.open_stream(url, "v3:relay")
        return Line(next(self._numbers), socket, TELNYX)

    async def called(self, position: int) -> Line:
        """A call on the platform: signed webhook, answer, media stream."""
        call, socket = await self._carrier.place_call(NUMBER)
        return Line(next(self._numbers), socket, TELNYX, at_end=lambda: self._carrier.hang_up(call, NUMBER))


@dataclass(slots=True)
class Setup:
    """Everything that runs during the measurement."""

    bench: Bench
    model: EchoModel
    system: System
    floor: int
    relay: int
    web: int
    services: list[int]
    port: int

    async def pair(self, calls: int, seconds: float) -> judgment.Pair:
        """A run over the floor, then one over the platform."""
        floor = await measure(self.bench.spliced, calls, seconds, [[self.floor]])
        return floor, await measure(self.bench.called, calls, seconds, [[self.web], self.services])


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Setup]:
    """Start everything, the measured processes on one core and the benchmark on the other. Stop everything at the end."""
    measured, own = cores()
    os.sched_setaffinity(0, own)
    with System() as system:
        async with (
            EchoModel() as model,
            BenchCarrier() as carrier,
            aiohttp.ClientSession() as http,
        ):
            bench = Bench(carrier, model, http)
            with on_cores(measured):
                floor, floor_port = system.start_relay("tests.bench.floor", model.socket_url)
                relay, relay_port = system.start_relay("tests.bench.relay", model.socket_url)
                variables = {
                    "TELNYX_API_KEY": "KEY-bench",
                    "TELNYX_PUBLIC_KEY": carrier.public_key,
                    "TELNYX_BASE_URL": carrier.base_url,
                    "OPENAI_API_KEY": "sk-bench",
                    "OPENAI_BASE_URL": model.base_url,
                }
                web, services, port = await asyncio.to_thread(system.start_platform, NUMBER, variables)
            bench.floor_url, bench.relay_url = f"ws://127.0.0.1:{floor_port}/", f"ws://127.0.0.1:{relay_port}/"
            carrier.webhook_url = f"http://127.0.0.1:{port}/webhooks/telnyx"
            gc.collect()
            gc.freeze()
            yield Setup(bench, model, system, floor, relay, web, services, port)
        if log := system.log():
            sys.stderr.write(log)


async def run(levels: Sequence[int], seconds: float, repeats: int) -> Results:
    """Measure all levels, then interruptions and the API."""
    results = Results()
    async with running() as bed:
        bench = bed.bench
        ways: list[Way] = [
            ("direct", bench.direct, results.direct, []),
            ("floor", bench.spliced, results.floor, [[bed.floor]]),
            ("relay", bench.relayed, results.relay, [[bed.relay]]),
            ("platform", bench.called, results.platform, [[bed.web], bed.services]),
        ]
        await _measure_all(ways, levels, seconds, repeats)
        if JUDGED_CALLS in levels:
            at = list(levels).index(JUDGED_CALLS)
            first = results.floor[at], results.platform[at]
            results.costs = await judgment.judge_cost(first, lambda: bed.pair(JUDGED_CALLS, seconds))
        results.interruptions, results.missing_clears = await measure_interruptions(
            bench.called, bed.model, JUDGED_CALLS, seconds
        )
        results.api_cost = await api.measure_api(bed.port, bed.system.api_keys, bed.web, bed.services)
    return results


async def compare_quickly() -> int:
    """Alternate the platform and the floor a few times, to show the effect of a change in two minutes."""
    pairs = []
    async with running() as bed:
        for _ in range(QUICK_PAIRS):
            pairs.append(await bed.pair(JUDGED_CALLS, QUICK_SECONDS))
            for name, one in zip(("floor", "platform"), pairs[-1], strict=True):
                say(f"{JUDGED_CALLS:3} calls, {name}: {report.brief(one)}")
    say(judgment.compare(pairs))
    return 0


async def _measure_all(ways: Sequence[Way], levels: Sequence[int], seconds: float, repeats: int) -> None:
    """Alternate the ways repeatedly, so that other load on the machine affects all of them."""
    for calls in levels:
        runs: dict[str, list[Run]] = {name: [] for name, *_ in ways}
        for _ in range(repeats):
            for name, open_line, _, watched in ways:
                runs[name].append(await measure(open_line, calls, seconds, watched))
                say(f"{calls:3} calls, {name}: {report.brief(runs[name][-1])}")
        for name, _, results, _ in ways:
            results.append(Run.together(runs[name]))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="compare only the platform with the floor, in two minutes")
    parser.add_argument(
        "--smoke", action="store_true", help="measure everything, but only with 20 calls for three seconds"
    )
    parser.add_argument(
        "--calls", type=int, nargs="+", help="numbers of concurrent calls, instead of the report's levels"
    )
    parser.add_argument("--seconds", type=float, help="duration of each level")
    parser.add_argument("--repeats", type=int, help="how many times each level is measured")
    parser.add_argument("--limit", type=float, default=10.0, help="maximum added latency at p99, in ms (10)")
    parser.add_argument(
        "--write",
        type=Path,
        help="where to write the report (default: docs/benchmarks.md, or nowhere for a partial run)",
    )
    options = parser.parse_args()
    if not hasattr(os, "sched_setaffinity"):
        say("The benchmark requires Linux: it pins processes to cores and reads their CPU time from /proc.")
        return 2
    if options.quick:
        return uvloop.run(compare_quickly())
    levels, seconds, repeats = ((JUDGED_CALLS,), 3.0, 1) if options.smoke else (LEVELS, 6.0, 3)
    seconds, repeats = options.seconds or seconds, options.repeats or repeats
    results = uvloop.run(run(options.calls or levels, seconds, repeats))
    tables = report.tables(results.direct, results.floor, results.relay, results.platform, results.interruptions)
    if results.api_cost is not None:
        tables = f"{tables}\n\n{api.brief(results.api_cost)}."
    say("\n" + tables)
    is_partial = options.smoke or options.calls
    target = options.write or (None if is_partial else Path(__file__).resolve().parents[2] / "docs/benchmarks.md")
    if target is not None:
        target.write_text(report.page(tables, seconds, repeats))
    failures = judge(results, options.limit)
    say("\n".join(failures) or f"p99 < {options.limit:g} ms and no lost frames.")
    return 1 if failures else 0


def judge(results: Results, limit_ms: float) -> list[str]:
    """Failures, at 20 calls if those were measured."""
    at = next((index for index, run in enumerate(results.platform) if run.calls == JUDGED_CALLS), 0)
    judged, base = results.platform[at], results.direct[at]
    failures = list(results.costs)
    if judged.lost or judged.repeated or judged.disordered:
        failures.append(
            f"FAILED: {judged.lost} lost, {judged.repeated} repeated, {judged.disordered} out-of-order frames."
        )
    if (added := report.added_ms(judged, base, 0.99)) >= limit_ms:
        failures.append(f"FAILED: the platform adds {added:.1f} ms at p99; the limit is {limit_ms:g} ms.")
    if results.missing_clears:
        failures.append(
            f"FAILED: {results.missing_clears} interruptions without a clear, or clears without an interruption."
        )
    return failures


if __name__ == "__main__":
    sys.exit(main())
