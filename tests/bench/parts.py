"""What `make bench` measures, in groups. Each group has its own platform, so the calls of one do not affect the figures of another."""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.bench import api, capacity, compared, contention, judgment, memory, processes, report
from tests.bench.answering import measure_answering
from tests.bench.measure import OpenLine, Run, measure, measure_interruptions
from tests.bench.scale import Finding, Scale
from tests.bench.setup import Setup, running

JUDGED_CALLS = 20

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


# A platform takes about 40 seconds to start, so parts that do not affect each other share one.
GROUPS: tuple[Mapping[str, Part], ...] = (
    {
        "levels": measure_levels,  # first, because the services still work for calls that have ended; its calls are in a media process
        "capacity": _long_part(capacity.measure_capacity),
        "api": _measure_api,  # before calls, whose end would still keep the web process busy
        "answering": _part(measure_answering),
        "formats": _part(compared.measure_formats),
        "features": _part(compared.measure_features),
        "web": _part(_measure_web_process),
    },
    # The memory parts have the web process's first calls, because a process that has had calls has free memory for the next ones. They
    # write no webhooks that would keep the clock of the next part busy.
    {"memory": _part(memory.measure_memory), "processes": _long_part(processes.measure_processes)},
    {"memory-gemini": _part(memory.measure_memory_gemini), "contention": _long_part(contention.measure_contention)},
)
PARTS = [name for group in GROUPS for name in group]


def chosen(names: Sequence[str], *, on_one_platform: bool = False) -> list[dict[str, Part]]:
    """The groups with only these parts; `on_one_platform`: one group, which takes less time and does not give comparable figures."""
    groups = [dict(group) for group in GROUPS]
    if on_one_platform:
        parts = {name: part for group in groups for name, part in group.items()}
        # Last, because its media processes stay, and then the web process gets no more calls.
        parts["processes"] = parts.pop("processes")
        groups = [parts]
    groups = [{name: part for name, part in group.items() if name in names} for group in groups]
    return [group for group in groups if group]


def _add(findings: Sequence[Finding], results: Results) -> None:
    for finding in findings:
        say(finding.text)
    results.findings += findings


async def run(groups: Sequence[Mapping[str, Part]], scale: Scale) -> Results:
    """Measure the parts of each group in order, and start everything for each group."""
    results = Results()
    for parts in groups:
        with reporting_failure(", ".join(parts), results):
            async with running() as setup:
                for name, part in parts.items():
                    with reporting_failure(name, results):
                        await part(setup, scale, results)
    return results


@contextlib.contextmanager
def reporting_failure(names: str, results: Results) -> Iterator[None]:
    """Report parts that could not be measured. The results of the others must not be lost."""
    try:
        yield
    except (OSError, aiohttp.ClientError) as error:
        _add([Finding(f"{names}: not measured, because of {error!r}.", f"{names} failed")], results)


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
