"""Many calls in one process on one core, compared with the floor: lost frames and round trips."""

from collections.abc import Callable

from tests.bench import report
from tests.bench.judgment import STARVED_SECONDS
from tests.bench.measure import measure
from tests.bench.scale import Finding, Scale
from tests.bench.setup import Setup

LATE_MS = 20.0


async def measure_capacity(setup: Setup, scale: Scale, say: Callable[[str], None]) -> list[Finding]:
    async with setup.calls_in_media_process() as media:
        return await _measure(setup, media, scale, say)


async def _measure(setup: Setup, media: int, scale: Scale, say: Callable[[str], None]) -> list[Finding]:
    findings = []
    for calls in scale.capacity:
        floor = await measure(setup.bench.spliced, calls, scale.seconds, [[setup.floor]])
        say(f"{calls:3} calls, floor: {report.brief(floor)}")
        if floor.quantile(0.5) > STARVED_SECONDS:
            text = f"{calls} calls in one process: not measured. The benchmark had no time: over the floor, too, the median was"
            findings.append(Finding(f"{text} {floor.quantile(0.5) * 1000:.0f} ms."))
            continue
        run = await measure(setup.bench.called, calls, scale.seconds, [[media], setup.services])
        say(f"{calls:3} calls, platform: {report.brief(run)}")
        p99 = run.quantile(0.99) * 1000
        cores = run.cpu_ms_per_call_second() * calls / 1000
        text = (
            f"{calls} calls in one process: {run.lost} of {run.frames} frames lost, round trip p50 / p99 {run.quantile(0.5) * 1000:.2f} / "
            f"{p99:.2f} ms (floor {floor.quantile(0.5) * 1000:.2f} / {floor.quantile(0.99) * 1000:.2f}), "
            f"{run.cpu_ms_per_call_second():.1f} ms of CPU per call-second: {cores:.2f} of a core."
        )
        missed = f"{calls} calls: {run.lost} frames lost, p99 {p99:.1f} ms" if run.lost or p99 >= LATE_MS else ""
        findings.append(Finding(text, missed))
    return findings
