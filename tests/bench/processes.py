"""Calls on one and on two media processes, and a linear model of their CPU time, which predicts more calls on more processes.

The CPU time of a media process is a constant plus an amount for each of its calls. That of the web process, the clock, PostgreSQL and
Valkey is a constant plus an amount for each call on any media process. The start and end of each call are added to both.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import psycopg
import redis

from tests.bench import report
from tests.bench.fit import LinearFit
from tests.bench.frames import FRAME_SECONDS
from tests.bench.measure import SETTLE_SECONDS, Run, begin, end, no_collections, observe
from tests.bench.scale import Finding, Scale
from tests.bench.setup import Setup
from tests.bench.system import cpu_seconds, trees

SHARED = ("web", "clock", "PostgreSQL", "Valkey")
CALL_SECONDS = 120  # of predicted calls

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """Commands and transactions since the start of Valkey and PostgreSQL, and their current connections."""

    commands: int
    transactions: int
    valkey_connections: int
    database_connections: int


@dataclass(frozen=True, slots=True)
class Level:
    """One measured combination of calls and media processes. Lists have the values of `SHARED` first, then those of the media processes."""

    processes: int
    run: Run
    cpu_ms_per_second: list[float]  # while calls run
    cpu_ms_per_call: list[float]  # to start and end it
    commands_per_second: float  # while calls run
    commands_per_call: float  # to start and end it
    transactions_per_call: float  # all of them, also while it runs
    valkey_connections: int
    database_connections: int

    @property
    def calls(self) -> int:
        return self.run.calls

    @property
    def media_points(self) -> list[tuple[float, float]]:
        """For each media process, its number of calls and its CPU time in ms per second."""
        return [(self.calls / self.processes, ms) for ms in self.cpu_ms_per_second[len(SHARED) :]]


async def measure_processes(setup: Setup, scale: Scale, say: Say) -> list[Finding]:
    clock = await setup.start_clock()
    levels = []
    for processes, calls in sorted(scale.spread):
        await setup.start_media(processes)
        levels.append(await _measure(setup, clock, processes, calls, scale.seconds))
        say(f"{calls:3} calls on {processes}: {report.brief(levels[-1].run)}, {_brief(levels[-1])}")
    return [*(Finding(_row(level)) for level in levels), *_fitted(levels)]


async def _measure(setup: Setup, clock: int, processes: int, calls: int, seconds: float) -> Level:
    watched = [[setup.web], [clock], *([pid] for pid in setup.services), *([pid] for pid in setup.media)]
    cpu, counts = _cpu(watched), await _count(setup)
    lines = await begin(setup.bench.called, calls)
    try:
        with no_collections():
            await asyncio.sleep(SETTLE_SECONDS)
            before = await _count(setup)
            run = await observe(lines, seconds, watched)
        during = await _count(setup)
    finally:
        await end(lines)
    await asyncio.sleep(SETTLE_SECONDS)  # until transcripts are written and PostgreSQL has updated its statistics
    after = await _count(setup)
    observed = run.frames * FRAME_SECONDS  # call-seconds
    unobserved = sum(line.sent for line in lines) * FRAME_SECONDS - observed
    steady = [run.cpu_ms_per_call_second(group) for group in range(len(watched))]
    total = [1000 * (now - then) for now, then in zip(_cpu(watched), cpu, strict=True)]
    commands = (during.commands - before.commands) / observed  # per call-second
    return Level(
        processes=processes,
        run=run,
        cpu_ms_per_second=[calls * ms for ms in steady],
        cpu_ms_per_call=[
            (all_ms - 1000 * observed_seconds - unobserved * steady_ms) / calls
            for all_ms, observed_seconds, steady_ms in zip(total, run.cpu, steady, strict=True)
        ],
        commands_per_second=calls * commands,
        commands_per_call=(after.commands - counts.commands - (unobserved + observed) * commands) / calls,
        transactions_per_call=(after.transactions - counts.transactions) / calls,
        valkey_connections=during.valkey_connections,
        database_connections=during.database_connections,
    )


def _cpu(watched: Sequence[Sequence[int]]) -> list[float]:
    return [cpu_seconds(trees(group)) for group in watched]


async def _count(setup: Setup) -> Counts:
    return await asyncio.to_thread(_count_now, setup.system.environment)


def _count_now(environment: dict[str, str]) -> Counts:
    with (
        redis.Redis.from_url(environment["REDIS_URL"]) as valkey,
        psycopg.connect(environment["DATABASE_URL"]) as database,
    ):
        info = valkey.info()
        row = database.execute(
            "SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"
        ).fetchone()
        assert row is not None
        return Counts(info["total_commands_processed"], row[0], info["connected_clients"] - 1, row[1] - 1)


def _brief(level: Level) -> str:
    shared = ", ".join(f"{name} {ms:.0f}" for name, ms in zip(SHARED, level.cpu_ms_per_second, strict=False))
    per_call = ", ".join(
        f"{name} {ms:.1f}" for name, ms in zip((*SHARED, "media"), level.cpu_ms_per_call, strict=False)
    )
    return (
        f"ms per second: media {', '.join(f'{ms:.0f}' for ms in level.cpu_ms_per_second[len(SHARED) :])}, {shared}; "
        f"ms per call: {per_call}; Valkey {level.commands_per_second:.0f} commands/s and {level.commands_per_call:.0f} per call, "
        f"{level.transactions_per_call:.0f} transactions per call; connections: Valkey {level.valkey_connections}, PostgreSQL "
        f"{level.database_connections}"
    )


def _row(level: Level) -> str:
    trips = " / ".join(f"{level.run.quantile(share) * 1000:.2f}" for share in (0.5, 0.99))
    plural = "es" if level.processes > 1 else ""
    return (
        f"{level.calls} calls on {level.processes} media process{plural}: {level.run.lost} of {level.run.frames} frames lost, round trip "
        f"p50 / p99 {trips} ms; {_brief(level)}."
    )


@dataclass(frozen=True, slots=True)
class Model:
    """CPU time in ms per second: of a media process by its own calls, and of `SHARED` by all calls. Also Valkey's commands per second."""

    media: LinearFit
    shared: list[LinearFit]  # in the order of SHARED
    commands: LinearFit

    @classmethod
    def of(cls, levels: Sequence[Level]) -> "Model":
        shared = [
            LinearFit.least_squares([(level.calls, level.cpu_ms_per_second[index]) for level in levels])
            for index in range(len(SHARED))
        ]
        commands = LinearFit.least_squares([(level.calls, level.commands_per_second) for level in levels])
        return cls(
            LinearFit.least_squares([point for level in levels for point in level.media_points]), shared, commands
        )


def _fitted(levels: Sequence[Level]) -> list[Finding]:
    """The fitted lines with their errors, and what they predict."""
    model = Model.of(levels)
    points = [point for level in levels for point in level.media_points]
    single = LinearFit.least_squares(
        [point for level in levels if level.processes == 1 for point in level.media_points]
    )
    multiple = [point for level in levels if level.processes > 1 for point in level.media_points]
    shared = "; ".join(f"{name} {_formula(fit)}" for name, fit in zip(SHARED, model.shared, strict=True))
    text = (
        f"Model, ms of CPU per second: a media process **{model.media.intercept:.1f} + {model.media.slope:.2f} × its calls** (± "
        f"{model.media.max_error:.1f} for all {len(points)} points; the line of one process alone misses those of two by up to "
        f"{single.max_error_of(multiple):.1f}). Shared: {shared}. Valkey {_formula(model.commands)} commands/s."
    )
    return [Finding(text), *(Finding(predict(load, levels, model)) for load in LOADS)]


def _formula(fit: LinearFit) -> str:
    return f"{fit.intercept:.1f} + {fit.slope:.3f} × calls (± {fit.max_error:.1f})"


@dataclass(frozen=True, slots=True)
class Load:
    """A load that the model predicts: its description, media processes, calls at once, and calls that start (and end) per second."""

    text: str
    processes: int
    calls: float
    starts: float


LOADS = (
    Load(f"1,000 calls an hour of {CALL_SECONDS} s, on one media process", 1, 1000 * CALL_SECONDS / 3600, 1000 / 3600),
    Load(f"1,000 calls at once of {CALL_SECONDS} s, on 8 media processes", 8, 1000, 1000 / CALL_SECONDS),
)


def predict(load: Load, levels: Sequence[Level], model: Model) -> str:
    """CPU time in cores, and the load of Valkey and PostgreSQL."""

    def per_second(per_call: Iterable[float]) -> float:
        """What starting and ending calls takes per second."""
        return load.starts * fmean(per_call)

    shared = [
        fit.value_at(load.calls) + per_second(level.cpu_ms_per_call[index] for level in levels)
        for index, fit in enumerate(model.shared)
    ]
    # A media process starts and ends only its own calls.
    media = model.media.value_at(load.calls / load.processes) + (
        per_second(sum(level.cpu_ms_per_call[len(SHARED) :]) for level in levels) / load.processes
    )
    cores = (sum(shared) + load.processes * media) / 1000
    commands = model.commands.value_at(load.calls) + per_second(level.commands_per_call for level in levels)
    transactions = per_second(level.transactions_per_call for level in levels)
    parts = ", ".join(f"{name} {ms / 1000:.2f}" for name, ms in zip(SHARED, shared, strict=True))
    return (
        f"{load.text}, by this model: **{cores:.2f} cores**: each media process {media / 1000:.2f}, {parts}; "
        f"Valkey {commands:.1f} commands/s, PostgreSQL {transactions:.1f} transactions/s."
    )
