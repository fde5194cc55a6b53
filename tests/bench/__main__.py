"""`make bench`: the latency, CPU time and memory that the platform adds to a call, compared with the floor and a bare relay under the same
load.

Writes docs/benchmarks.md. Exits with 1 if frames were lost, the added latency is too large, or a target is missed.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import uvloop

from tests.bench import api, capacity, compared, contention, judgment, memory, processes, report
from tests.bench.answering import measure_answering
from tests.bench.measure import OpenLine, Run, measure, measure_interruptions
from tests.bench.scale import SMOKE, Finding, Scale
from tests.bench.setup import Setup, running

JUDGED_CALLS = 20
QUICK_PAIRS, QUICK_SECONDS = 5, 4.0
PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"

# Name, function that opens a call, list for the results, and the groups of processes whose CPU time counts.
Way = tuple[str, OpenLine, list[Run], list[list[int]]]


@dataclass(slots=True)
class Results:
    direct: list[Run] = field(default_factory=list)
    floor: list[Run] = field(default_factory=list)
    relay: list[Run] = field(default_factory=list)
    platform: list[Run] = field(default_factory=list)
    missing_clears: int = 0
    costs: list[str] = field(default_factory=list)  # failures of the CPU comparison
    findings: list[Finding] = field(default_factory=list)


Part = Callable[[Setup, Scale, Results], Awaitable[None]]


async def measure_levels(setup: Setup, scale: Scale, results: Results) -> None:
    async with setup.calls_in_media_process() as media:
        await _measure_levels(setup, media, scale, results)


async def _measure_levels(setup: Setup, media: int, scale: Scale, results: Results) -> None:
    ways: list[Way] = [
        ("direct", setup.bench.direct, results.direct, []),
        ("floor", setup.bench.spliced, results.floor, [[setup.floor]]),
        ("relay", setup.bench.relayed, results.relay, [[setup.relay]]),
        ("platform", setup.bench.called, results.platform, [[media], setup.services]),
    ]
    await _measure_all(ways, scale)
    if JUDGED_CALLS in scale.levels:
        at = scale.levels.index(JUDGED_CALLS)
        first = results.floor[at], results.platform[at]
        results.costs = await judgment.judge_cost(first, lambda: setup.pair(media, JUDGED_CALLS, scale.seconds))
    delays, results.missing_clears = await measure_interruptions(
        setup.bench.called, setup.model, scale.interrupted, scale.seconds
    )
    _add([report.interruptions(delays, scale.interrupted)], results)


async def _measure_web_process(setup: Setup, scale: Scale) -> list[Finding]:
    """A level in the web process, which has the calls if there is no media process."""
    floor, web = await setup.pair(setup.web, scale.contention_calls, scale.seconds)
    return [Finding(report.without_media_process(floor, web))]


async def _measure_api(setup: Setup, scale: Scale, results: Results) -> None:
    cost = await api.measure_api(setup.port, setup.system.api_keys, setup.web, setup.services, scale.api_requests)
    _add([Finding(f"{api.brief(cost)}.")], results)


def _part(measured: Callable[[Setup, Scale], Awaitable[list[Finding]]]) -> Part:
    async def measure_part(setup: Setup, scale: Scale, results: Results) -> None:
        _add(await measured(setup, scale), results)

    return measure_part


def _long_part(measured: Callable[[Setup, Scale, Callable[[str], None]], Awaitable[list[Finding]]]) -> Part:
    """A part that prints its intermediate results."""

    async def measure_part(setup: Setup, scale: Scale, results: Results) -> None:
        _add(await measured(setup, scale, say), results)

    return measure_part


PARTS: dict[str, Part] = {
    # First, because the services still work for the calls of earlier parts. These calls are in a media process.
    "levels": measure_levels,
    "capacity": _long_part(capacity.measure_capacity),
    # The web process's first calls, because a process that has worked has free memory.
    "memory": _part(memory.measure_memory),
    "api": _measure_api,  # before calls whose end would still keep the process busy
    "answering": _part(measure_answering),
    "formats": _part(compared.measure_formats),
    "features": _part(compared.measure_features),
    "web": _part(_measure_web_process),
    # Last: they start media processes, and then no calls go to the web process.
    "contention": _long_part(contention.measure_contention),
    "processes": _long_part(processes.measure_processes),
}


def _add(findings: Sequence[Finding], results: Results) -> None:
    for finding in findings:
        say(finding.text)
    results.findings += findings


async def run(names: Sequence[str], scale: Scale) -> Results:
    """Measure these parts in order. Everything is started once."""
    results = Results()
    async with running() as setup:
        for name in names:
            try:
                await PARTS[name](setup, scale, results)
            except (
                TimeoutError,
                OSError,
                aiohttp.ClientError,
            ) as error:  # the results of the other parts must not be lost
                _add([Finding(f"{name}: not measured, because of {error!r}.", f"{name} failed")], results)
    return results


async def compare_quickly() -> int:
    """Alternate the platform and the floor a few times, to show the effect of a change in two minutes."""
    pairs = []
    async with running() as setup, setup.calls_in_media_process() as media:
        for _ in range(QUICK_PAIRS):
            pairs.append(await setup.pair(media, JUDGED_CALLS, QUICK_SECONDS))
            for name, one in zip(("floor", "platform"), pairs[-1], strict=True):
                say(f"{JUDGED_CALLS:3} calls, {name}: {report.brief(one)}")
    say(judgment.compare(pairs))
    return 0


async def _measure_all(ways: Sequence[Way], scale: Scale) -> None:
    """Alternate the ways repeatedly, so that other load on the machine affects all of them."""
    for calls in scale.levels:
        runs: dict[str, list[Run]] = {name: [] for name, *_ in ways}
        for _ in range(scale.repeats):
            for name, open_line, _, watched in ways:
                runs[name].append(await measure(open_line, calls, scale.seconds, watched))
                say(f"{calls:3} calls, {name}: {report.brief(runs[name][-1])}")
        for name, _, results, _ in ways:
            results.append(Run.together(runs[name]))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="compare only the platform with the floor, in two minutes")
    parser.add_argument(
        "--smoke", action="store_true", help="measure everything, but only with few calls for a second or two"
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", help="measure only these parts")
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
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    if not hasattr(os, "sched_setaffinity"):
        say("The benchmark requires Linux: it pins processes to cores and reads their CPU time from /proc.")
        return 2
    if options.quick:
        return uvloop.run(compare_quickly())
    scale = SMOKE if options.smoke else Scale()
    scale = replace(
        scale,
        levels=tuple(options.calls or scale.levels),
        seconds=options.seconds or scale.seconds,
        repeats=options.repeats or scale.repeats,
    )
    results = uvloop.run(run(options.only or list(PARTS), scale))
    text = report.text_of(results.findings)
    if results.platform:
        tables = report.tables(results.direct, results.floor, results.relay, results.platform)
        text = f"{tables}\n\n{text}" if text else tables
    say("\n" + text)
    is_partial = options.smoke or options.calls or options.only
    target = options.write or (None if is_partial else PAGE)
    if target is not None:
        target.write_text(report.page(text, scale, PARTS))
    failures = judge(results, options.limit)
    if not options.smoke:
        failures += [f"MISSED: {finding.missed}" for finding in results.findings if finding.missed]
    say("\n".join(failures) or "No failures.")
    return 1 if failures else 0


def judge(results: Results, limit_ms: float) -> list[str]:
    """Failures, at 20 calls if those were measured."""
    if not results.platform:
        return []
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
