"""Calls on one and on two media processes, and a model fitted to both, of what more calls on more processes would take.

A media process takes so much CPU time, and more with each of its calls. What all share takes so much, and more with each call; each call
that begins and ends adds to that.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import psycopg
import redis

from tests.bench import report
from tests.bench.fit import Fit
from tests.bench.frames import FRAME_SECONDS
from tests.bench.measure import SETTLE_SECONDS, Run, begin, end, no_collections, observe
from tests.bench.scale import Finding, Scale
from tests.bench.setup import Setup
from tests.bench.system import cpu_seconds, trees

SHARED = ("web", "clock", "PostgreSQL", "Valkey")
# What the model is asked for.
PROCESSES, CALLS, CALL_SECONDS = 8, 1000, 120

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What Valkey and PostgreSQL have done so far, and their connections."""

    commands: int
    transactions: int
    valkey_connections: int
    database_connections: int


@dataclass(frozen=True, slots=True)
class Level:
    """So many calls on so many media processes. CPU times in ms; those of media processes come after those of `SHARED`."""

    processes: int
    run: Run
    a_second: list[float]
    for_each_call: list[float]  # its begin and end
    commands_a_second: float
    commands_for_each_call: float
    transactions_for_each_call: float
    valkey_connections: int
    database_connections: int

    @property
    def calls(self) -> int:
        return self.run.calls

    @property
    def media_points(self) -> list[tuple[float, float]]:
        """The calls of each media process and its CPU time a second."""
        return [(self.calls / self.processes, ms) for ms in self.a_second[len(SHARED) :]]


async def measure_processes(setup: Setup, scale: Scale, say: Say) -> list[Finding]:
    await setup.start_clock_to_stay()
    await asyncio.to_thread(setup.system.wait_until_the_clock_is_idle)
    levels = []
    for processes, calls in sorted(scale.spread):
        await setup.start_media(processes)
        levels.append(await _measure(setup, processes, calls, scale.seconds))
        say(f"{calls:3} calls on {processes}: {report.brief(levels[-1].run)}, {_brief(levels[-1])}")
    return [*(Finding(_row(level)) for level in levels), *_fitted(levels)]


async def _measure(setup: Setup, processes: int, calls: int, seconds: float) -> Level:
    watched = [[setup.web], [setup.clock], *([pid] for pid in setup.services), *([pid] for pid in setup.media)]
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
    await asyncio.sleep(SETTLE_SECONDS)  # what was said is written, and statistics are counted
    after = await _count(setup)
    outside = sum(line.sent for line in lines) * FRAME_SECONDS - run.frames * FRAME_SECONDS  # call-seconds
    steady = [run.cpu_ms_per_call_second(group) for group in range(len(watched))]
    total = [1000 * (now - then) for now, then in zip(_cpu(watched), cpu, strict=True)]
    commands = (during.commands - before.commands) / (run.frames * FRAME_SECONDS)
    return Level(
        processes=processes,
        run=run,
        a_second=[calls * each for each in steady],
        for_each_call=[
            (whole - 1000 * measured - outside * each) / calls
            for whole, measured, each in zip(total, run.cpu, steady, strict=True)
        ],
        commands_a_second=calls * commands,
        commands_for_each_call=(after.commands - counts.commands - (outside + run.frames * FRAME_SECONDS) * commands)
        / calls,
        transactions_for_each_call=(after.transactions - counts.transactions) / calls,
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
    shared = ", ".join(f"{name} {ms:.0f}" for name, ms in zip(SHARED, level.a_second, strict=False))
    each = ", ".join(f"{name} {ms:.1f}" for name, ms in zip((*SHARED, "media"), level.for_each_call, strict=False))
    return (
        f"ms a second: media {', '.join(f'{ms:.0f}' for ms in level.a_second[len(SHARED) :])}, {shared}; ms for each call: {each}; "
        f"Valkey {level.commands_a_second:.0f} commands/s and {level.commands_for_each_call:.0f} for each call, "
        f"{level.transactions_for_each_call:.0f} transactions for each call; connections: Valkey {level.valkey_connections}, PostgreSQL "
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
    """CPU time in ms a second: of a media process by its calls, and of what all share by all calls. Also Valkey's commands a second."""

    media: Fit
    shared: list[Fit]  # in the order of SHARED
    commands: Fit

    @classmethod
    def of(cls, levels: Sequence[Level]) -> "Model":
        shared = [
            Fit.through([(level.calls, level.a_second[place]) for level in levels]) for place in range(len(SHARED))
        ]
        commands = Fit.through([(level.calls, level.commands_a_second) for level in levels])
        return cls(Fit.through([point for level in levels for point in level.media_points]), shared, commands)


def _fitted(levels: Sequence[Level]) -> list[Finding]:
    """The lines, how far the measured points are from them, and what they say about more calls."""
    model = Model.of(levels)
    points = [point for level in levels for point in level.media_points]
    lone = Fit.through([point for level in levels if level.processes == 1 for point in level.media_points])
    paired = [point for level in levels if level.processes > 1 for point in level.media_points]
    shared = "; ".join(f"{name} {_said(fit)}" for name, fit in zip(SHARED, model.shared, strict=True))
    text = (
        f"Model, ms of CPU a second: a media process **{model.media.base:.1f} + {model.media.slope:.2f} × its calls** (the {len(points)} "
        f"points are up to {model.media.worst:.1f} from it; those of two processes are up to {lone.from_it(paired):.1f} from the line of "
        f"one process alone). Shared: {shared}. Valkey {_said(model.commands)} commands/s."
    )
    return [Finding(text), Finding(_predict(levels, model))]


def _said(fit: Fit) -> str:
    return f"{fit.base:.1f} + {fit.slope:.3f} × calls (± {fit.worst:.1f})"


def _predict(levels: Sequence[Level], model: Model) -> str:
    """For PROCESSES and CALLS."""
    begun = CALLS / CALL_SECONDS  # a second

    def begins(place: int) -> float:
        return begun * fmean(level.for_each_call[place] for level in levels)

    # A media process begins and ends its own calls only.
    own = model.media.at(CALLS / PROCESSES) + begun / PROCESSES * fmean(
        sum(level.for_each_call[len(SHARED) :]) for level in levels
    )
    shared = ", ".join(
        f"{name} {(fit.at(CALLS) + begins(place)) / 1000:.2f}"
        for place, (name, fit) in enumerate(zip(SHARED, model.shared, strict=True))
    )
    commands = model.commands.at(CALLS) + begun * fmean(level.commands_for_each_call for level in levels)
    transactions = begun * fmean(level.transactions_for_each_call for level in levels)
    return (
        f"{CALLS:,} calls of {CALL_SECONDS} s on {PROCESSES} media processes, by this model: **{own / 1000:.2f}** of a core each; cores: "
        f"{shared}; Valkey {commands:.0f} commands/s, PostgreSQL {transactions:.0f} transactions/s."
    )
