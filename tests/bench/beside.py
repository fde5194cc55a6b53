"""What other work adds to the latency of calls: API requests, pages, webhooks and a nightly job, with and without a media process.

The same calls are measured alternately with and without that work. What shares which core: docs/benchmarks.md.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from tests.bench import report
from tests.bench.measure import SETTLE_SECONDS, Run, begin, end, no_collections, observe
from tests.bench.other_work import Reached
from tests.bench.scale import OTHERS_NICENESS, Finding, Scale, judged
from tests.bench.setup import Setup
from tests.bench.system import confine, trees

LIMIT_MS = 2.0
SHARES = (0.5, 0.99, 1.0)
# The benchmark stands for other machines: on its core it goes before everything.
BENCH_NICENESS = -15

Say = Callable[[str], None]


class Sender:
    """The process that sends the other work (`tests.bench.other_work`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, seconds: float) -> dict[str, Reached]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n".encode())
        return {name: Reached(**reached) for name, reached in (await self.answer()).items()}

    async def answer(self) -> dict[str, dict[str, object]]:
        assert self._process.stdout is not None
        if not (line := await self._process.stdout.readline()):
            raise OSError("the process that sends the other work has ended")
        return dict(json.loads(line))


async def measure_beside(setup: Setup, scale: Scale, say: Say) -> list[Finding]:
    await setup.start_clock_to_stay()
    worker = await asyncio.to_thread(setup.system.start_worker)
    both, others = setup.measured | setup.own, [setup.clock, worker, *setup.services]
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    findings = []
    async with _sender(setup, scale) as sender:
        with _first_on_its_core(setup):
            confine(trees(others), both, usual + OTHERS_NICENESS)
            compared = await _alternate(setup, scale, sender, setup.web, say)
            findings.append(_finding("in the web process", scale, compared))
            confine(trees([setup.web]), both, usual + OTHERS_NICENESS)
            await setup.start_media(1)
            compared = await _alternate(setup, scale, sender, setup.media[0], say)
            findings.append(_finding("in a media process", scale, compared, LIMIT_MS))
    setup.system.stop_worker()
    confine(trees([setup.clock, setup.web, *setup.services]), setup.measured, usual)
    return findings


@contextlib.asynccontextmanager
async def _sender(setup: Setup, scale: Scale) -> AsyncIterator[Sender]:
    environment = setup.system.environment | {
        "BENCH_API_KEYS": json.dumps(setup.system.api_keys),
        "BENCH_CALLS": str(scale.beside_rows),
    }
    command = [sys.executable, "-m", "tests.bench.other_work"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
    )
    try:
        sender = Sender(process)
        await sender.answer()  # it has made its rows
        confine(trees([process.pid]), setup.own, os.getpriority(os.PRIO_PROCESS, 0))
        yield sender
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.contextmanager
def _first_on_its_core(setup: Setup) -> Iterator[None]:
    """Let the benchmark, which plays carrier and model, be delayed by nothing else, if it has the right to."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        confine([os.getpid()], setup.own, BENCH_NICENESS)
    yield
    confine([os.getpid()], setup.own, usual)


Compared = tuple[list[Run], list[Run], dict[str, Reached]]


async def _alternate(setup: Setup, scale: Scale, sender: Sender, carrying: int, say: Say) -> Compared:
    """The same calls alone and with other work, in turn; and what of that work was done."""
    alone, beside, reached = [], [], {}
    lines = await begin(setup.bench.called, scale.beside_calls)
    try:
        for _ in range(scale.repeats):
            with no_collections():
                await asyncio.sleep(SETTLE_SECONDS)
                alone.append(await observe(lines, scale.beside_seconds, [[carrying]]))
            say(f"{len(lines):3} calls alone: {report.brief(alone[-1])}")
            sending = asyncio.create_task(sender.send(SETTLE_SECONDS + scale.beside_seconds))
            with no_collections():
                await asyncio.sleep(SETTLE_SECONDS)
                beside.append(await observe(lines, scale.beside_seconds, [[carrying]]))
            say(f"{len(lines):3} calls with other work: {report.brief(beside[-1])}")
            for name, one in (await sending).items():
                reached[name] = reached[name] + one if name in reached else one
    finally:
        await end(lines)
    return alone, beside, reached


def _finding(where: str, scale: Scale, compared: Compared, limit: float | None = None) -> Finding:
    runs, beside_runs, reached = compared
    alone, beside = Run.together(runs), Run.together(beside_runs)
    added = [1000 * (beside.quantile(share) - alone.quantile(share)) for share in SHARES]
    turns = sorted(
        1000 * (high.quantile(0.99) - low.quantile(0.99)) for low, high in zip(runs, beside_runs, strict=True)
    )
    api, pages, webhooks, checks = (reached[name] for name in ("api", "pages", "webhooks", "checks"))
    text = (
        f"With other work, {alone.calls} calls {where}: **{_three(added)}** ms more at p50 / p99 / max (alone {_three(_ms(alone))}, "
        f"with it {_three(_ms(beside))}; p99 in turn {turns[0]:.2f} to {turns[-1]:.2f} more), {beside.lost} of {beside.frames} frames "
        f"lost. The process took {_cores(alone):.2f} of a core alone and {_cores(beside):.2f} with it. Reached: {api.rate:.0f} API "
        f"requests/s (p99 {api.ms(0.99):.0f} ms), {pages.rate:.1f} pages/s of an account with {scale.beside_rows:,} calls (p50 "
        f"{pages.ms(0.5):.0f}, p99 {pages.ms(0.99):.0f} ms), {webhooks.rate:.0f} webhooks/s (p99 {webhooks.ms(0.99):.0f} ms), and the "
        f"nightly check of {2 * scale.beside_rows:,} ledger entries {checks.count} times (p50 {checks.ms(0.5) / 1000:.1f} s)."
    )
    if limit is None:
        return Finding(text)
    return judged(text, added[1], limit, "Added p99 with other work and a media process in ms")


def _ms(run: Run) -> list[float]:
    return [1000 * run.quantile(share) for share in SHARES]


def _three(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def _cores(run: Run) -> float:
    return run.cpu_ms_per_call_second() * run.calls / 1000
