"""The figures as tables, and the page around them."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.bench.measure import Run, quantile

PAGE = """# Benchmarks

Written by `make bench` on {date}: Python {python}, {cores} cores, {system}. Figures of one machine: compare them within a
table only.

{tables}

`make bench-quick` measures in two minutes what a change has done: the platform beside the floor, five times in turn, with the
ratio on record (`tests/bench/judgment.py`). `make test` measures that ratio once at {judged} calls and fails when it is 25 % above
the record in each of up to three tries; tries in which the machine had no time are left out.

## What was done

- **Work.** Each call sends a frame of 20 ms PCMU fifty times a second and the model answers each frame at once with itself, so
  fifty frames a second come back: the most messages that a call can cause. Every frame is tagged; one that is not back after
  2 s is lost. Each level is held for {seconds:g} s after all its calls have begun, {repeats} times over each way, in turn. CPU
  times are the median of those, latencies those of all frames.
- **Platform.** The web process as it is served in production, with PostgreSQL and Valkey, all three on one core. Calls come in
  through signed webhooks, are answered over the carrier's API and bring their audio to `/media/<token>`; the model is reached over
  OpenAI's Realtime protocol. Carrier and model are played by the benchmark, on the other core where there is one.
- **Floor.** uvloop and `picows`, the same library that carries our frames to and from models: the payload is cut out of one
  socket's frame and sent over the other in the same callback, nothing else. Same core, same work, same run.
- **Bare relay.** The same on uvloop and `websockets`, as one would write it first.
- **Added latency.** A frame's way from the carrier through the platform to the model and back, less the median way between
  the same two ends without anything between them, at the same number of calls in the same run. p99 therefore holds the
  jitter of the machine too.
- **CPU per call-second.** User and system time of the process in ms for each 50 frames that were sent: 10 ms means at most 100
  calls a core. It falls as calls grow in number, because one wake-up then serves several frames. *services* is PostgreSQL and Valkey.
- **API.** GETs of three lists (a page of 25 calls, the numbers, ten API keys) over eight connections, each with the next of
  60 keys. CPU is that of the web process for one request; its reciprocal is what one core can answer. The latency is another
  run's, at a fixed rate, from when each request was due. `python -m tests.bench.api` measures only this.
- **Not measured.** Real carriers and models, networks with delay or loss, TLS, several processes or machines, recordings, Gemini's
  formats, live transcripts, memory, and what other work beside the calls does to their latency.
- **Barge-in to clear.** From the moment when the model reports that the caller speaks until the carrier holds the `clear` that
  empties its playback queue, both ways over loopback included; at {judged} calls at once, each interrupted again and again.
"""


def added_ms(run: Run, direct: Run, share: float) -> float:
    """The latency in ms that a way adds, at a quantile, over the median of the bare connection."""
    return (run.quantile(share) - direct.quantile(0.5)) * 1000


def brief(run: Run) -> str:
    """One line while the benchmark runs."""
    trips = f"round trip p50 {run.quantile(0.5) * 1000:.2f} ms, p99 {run.quantile(0.99) * 1000:.2f} ms"
    cpu = "".join(f", CPU {run.cpu_ms_per_call_second(group):.1f} ms/call-s" for group in range(len(run.cpu)))
    return f"{run.frames} frames, {run.lost} lost, {trips}{cpu}"


def tables(
    direct: Sequence[Run],
    floor: Sequence[Run],
    relay: Sequence[Run],
    measured: Sequence[Run],
    interruptions: Sequence[float],
) -> str:
    """Markdown: one row for each number of calls."""
    rows = [
        "| calls | added latency p50 / p99, ms | floor p50 / p99, ms | bare relay p50 / p99, ms | frames lost "
        "| CPU, ms per call-second | services | floor | bare relay | platform ÷ floor | platform ÷ relay |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for base, *bare, run in zip(direct, floor, relay, measured, strict=True):
        own = run.cpu_ms_per_call_second()
        latencies = [f"{added_ms(each, base, 0.5):.2f} / {added_ms(each, base, 0.99):.2f}" for each in (run, *bare)]
        cpu = [f"{each.cpu_ms_per_call_second():.1f}" for each in bare]
        ratios = [f"{own / each.cpu_ms_per_call_second():.1f}" for each in bare]
        cells = [*latencies, f"{run.lost} of {run.frames}", f"{own:.1f}", f"{run.cpu_ms_per_call_second(1):.1f}"]
        rows.append(f"| {run.calls} | {' | '.join([*cells, *cpu, *ratios])} |")
    waits = " / ".join(f"{quantile(interruptions, share) * 1000:.2f}" for share in (0.5, 0.99))
    return "\n".join([*rows, "", f"Barge-in to clear, p50 / p99 of {len(interruptions)}: **{waits} ms**."])


def page(tables_text: str, seconds: float, repeats: int, judged: int = 20) -> str:
    """The whole of docs/benchmarks.md."""
    return PAGE.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        python=platform.python_version(),
        cores=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        tables=tables_text,
        seconds=seconds,
        repeats=repeats,
        judged=judged,
    )
