"""`make bench`: the latency, CPU time and memory that the platform adds to a call, compared with the floor and a bare relay under the same
load.

Writes docs/benchmarks.md. Exits with 1 if frames were lost, the added latency is too large, or a target is missed.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from tests.bench import judgment, report
from tests.bench.parts import GROUPS, JUDGED_CALLS, PARTS, Results, chosen, run, say
from tests.bench.scale import SMOKE, Scale
from tests.bench.setup import running

QUICK_PAIRS, QUICK_SECONDS = 5, 4.0
PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"


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


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="compare only the platform with the floor, in two minutes")
    parser.add_argument(
        "--smoke", action="store_true", help="measure everything on one platform, with few calls for a second or two"
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
    results = uvloop.run(run(chosen(options.only or PARTS, on_one_platform=options.smoke), scale))
    text = report.text_of(results.findings)
    if results.platform:
        tables = report.tables(results.direct, results.floor, results.relay, results.platform)
        text = f"{tables}\n\n{text}" if text else tables
    say("\n" + text)
    is_partial = options.smoke or options.calls or options.only
    target = options.write or (None if is_partial else PAGE)
    if target is not None:
        target.write_text(report.page(text, scale, GROUPS))
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
