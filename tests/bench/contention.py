"""The latency that other work adds to calls: API requests, dashboard pages, webhooks and a nightly job, with and without a media process.

The same calls are measured alternately alone and with that work. docs/benchmarks.md says which processes share a core.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from tests.bench import report
from tests.bench.measure import SETTLE_SECONDS, Run, begin, end, no_collections, observe
from tests.bench.other_work import WorkDone
from tests.bench.scale import OTHER_WORK_NICENESS, Finding, Scale, judged
from tests.bench.setup import Setup
from tests.bench.system import confine, trees

ADDED_P99_LIMIT_MS = 2.0  # with a media process
QUANTILES = (0.5, 0.99, 1.0)

Say = Callable[[str], None]


class OtherWorkProcess:
    """A running `tests.bench.other_work`, which prints a line when it is ready and one after each round."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run_for(self, seconds: float) -> dict[str, WorkDone]:
        """What was done, by kind of work."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n".encode())
        return {kind: WorkDone(**done) for kind, done in (await self.read_line()).items()}

    async def read_line(self) -> dict[str, dict[str, object]]:
        """Its next line of JSON. Raises OSError if it has ended."""
        assert self._process.stdout is not None
        if not (line := await self._process.stdout.readline()):
            raise OSError("The process that does the other work has ended.")
        return dict(json.loads(line))


async def measure_contention(setup: Setup, scale: Scale, say: Say) -> list[Finding]:
    clock = await setup.start_clock()
    worker = await asyncio.to_thread(setup.system.start_worker)
    both_cores, others = setup.measured_cores | setup.bench_cores, [clock, worker, *setup.services]
    lower = setup.niceness + OTHER_WORK_NICENESS
    async with _other_work_process(setup, scale) as other_work:
        confine(trees(others), both_cores, lower)
        in_web = await _alternate(setup, scale, other_work, setup.web, say)
        confine(trees([setup.web]), both_cores, lower)
        await setup.start_media(1)
        in_media = await _alternate(setup, scale, other_work, setup.media[0], say)
    return [
        _finding("in the web process", scale, in_web),
        _finding("in a media process", scale, in_media, ADDED_P99_LIMIT_MS),
    ]


@contextlib.asynccontextmanager
async def _other_work_process(setup: Setup, scale: Scale) -> AsyncIterator[OtherWorkProcess]:
    environment = setup.system.environment | {
        "BENCH_API_KEYS": json.dumps(setup.system.api_keys),
        "BENCH_CALLS": str(scale.contention_past_calls),
    }
    command = [sys.executable, "-m", "tests.bench.other_work"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
    )
    try:
        other_work = OtherWorkProcess(process)
        await other_work.read_line()  # its accounts and calls are in the database
        confine(trees([process.pid]), setup.bench_cores, setup.niceness)
        yield other_work
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


# Runs of the calls alone, runs with other work, and the other work that was done, by kind.
Comparison = tuple[list[Run], list[Run], dict[str, WorkDone]]


async def _alternate(
    setup: Setup, scale: Scale, other_work: OtherWorkProcess, call_process: int, say: Say
) -> Comparison:
    """Measure the same calls alternately alone and with other work. `call_process` is the PID of the process that has the calls."""
    alone, with_work, totals = [], [], dict[str, WorkDone]()
    lines = await begin(setup.bench.called, scale.contention_calls)
    try:
        for _ in range(scale.repeats):
            with no_collections():
                await asyncio.sleep(SETTLE_SECONDS)
                alone.append(await observe(lines, scale.contention_seconds, [[call_process]]))
            say(f"{len(lines):3} calls alone: {report.brief(alone[-1])}")
            working = asyncio.create_task(other_work.run_for(SETTLE_SECONDS + scale.contention_seconds))
            with no_collections():
                await asyncio.sleep(SETTLE_SECONDS)
                with_work.append(await observe(lines, scale.contention_seconds, [[call_process]]))
            say(f"{len(lines):3} calls with other work: {report.brief(with_work[-1])}")
            for kind, done in (await working).items():
                totals[kind] = totals[kind] + done if kind in totals else done
    finally:
        await end(lines)
    return alone, with_work, totals


def _finding(where: str, scale: Scale, comparison: Comparison, limit_ms: float | None = None) -> Finding:
    runs_alone, runs_with_work, totals = comparison
    alone, with_work = Run.together(runs_alone), Run.together(runs_with_work)
    added = [high - low for high, low in zip(_quantiles_ms(with_work), _quantiles_ms(alone), strict=True)]
    added_p99 = sorted(
        1000 * (high.quantile(0.99) - low.quantile(0.99)) for low, high in zip(runs_alone, runs_with_work, strict=True)
    )
    api, pages, webhooks, checks = (totals[kind] for kind in ("api", "pages", "webhooks", "checks"))
    text = (
        f"With other work, {alone.calls} calls {where}: **{_joined(added)}** ms more at p50 / p99 / max (alone "
        f"{_joined(_quantiles_ms(alone))}, with it {_joined(_quantiles_ms(with_work))}; {added_p99[0]:.2f} to {added_p99[-1]:.2f} ms more "
        f"at p99 in the single runs), {with_work.lost} of {with_work.frames} frames lost. The process took {_cores(alone):.2f} of a core "
        f"alone and {_cores(with_work):.2f} with it. Other work: {api.rate:.0f} API requests/s (p99 {api.quantile_ms(0.99):.0f} ms), "
        f"{pages.rate:.1f} pages/s of an account with {scale.contention_past_calls:,} calls (p50 {pages.quantile_ms(0.5):.0f}, p99 "
        f"{pages.quantile_ms(0.99):.0f} ms), {webhooks.rate:.0f} webhooks/s (p99 {webhooks.quantile_ms(0.99):.0f} ms), and the nightly "
        f"check of {2 * scale.contention_past_calls:,} ledger entries {checks.count} times (p50 {checks.quantile_ms(0.5) / 1000:.1f} s)."
    )
    if limit_ms is None:
        return Finding(text)
    return judged(text, added[1], limit_ms, "Added p99 with other work and a media process in ms")


def _quantiles_ms(run: Run) -> list[float]:
    return [1000 * run.quantile(share) for share in QUANTILES]


def _joined(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def _cores(run: Run) -> float:
    return run.cpu_ms_per_call_second() * run.calls / 1000
