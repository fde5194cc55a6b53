"""The results as tables, and the page around them."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from tests.bench.measure import Run, quantile
from tests.bench.model import TURN_SECONDS
from tests.bench.other_work import API_RATE, PAGE_RATE, WEBHOOK_RATE
from tests.bench.scale import OTHER_WORK_NICENESS, Finding, Scale, judged

INTERRUPTION_LIMIT_MS = 1.0

PAGE = """# Benchmarks

Written by `make bench` on {date}: Python {python}, {cores} cores, {system}. These figures are from one machine. Only compare
figures within a table.

{tables}

`make bench-quick` shows the effect of a change in two minutes. It measures the platform and the floor alternately, five times, and
compares their ratio with the recorded one (`tests/bench/judgment.py`). `make test` measures that ratio at {judged} calls and fails
if it is 25% above the record in each of up to three tries. Tries on a machine that was too busy do not count.

## Method

- **Order.** The parts are {parts}.
  Semicolons separate groups. Each group has its own platform, with a new database and new processes, so what earlier groups did affects
  no figure. `python -m tests.bench --only PART…` runs one or more parts. Anything compared is measured alternately in the same run,
  {repeats} times, and the ratio is the median of the pairs' ratios.
- **Load.** Each call sends a frame of 20 ms PCMU fifty times a second, at a random phase, as independent callers do. The phases are
  the same over each way. A timer of the kernel sends each frame at its time, because uvloop's timers count milliseconds and would
  send the frames of several calls together. The model echoes each frame immediately, so fifty frames a
  second come back: the most messages that a call can cause. Every frame is tagged. A frame that does not return within 2 s is
  lost. Each level lasts {seconds:g} s after all its calls have started, {repeats} times over each way, alternately. CPU times are
  medians of these runs, and latencies are of all frames.
- **The benchmark's process.** Carrier, callers and model are one process on `picows`. It handles each message in the callback that read
  it, and does not collect garbage while a level is measured, because its own delays would count as the platform's latency.
- **Platform.** The web process as in production, with PostgreSQL and Valkey, all three on one core. Calls arrive as signed
  webhooks, are answered through the carrier's API, and send their audio to `/media/<token>`. The model is connected through
  OpenAI's Realtime protocol. The benchmark plays carrier and model, on the other core if there is one.
- **Media process.** The levels, barge-in and the capacity are measured in a media process, as in every default deployment. The web
  process, PostgreSQL and Valkey share its core at a lower priority (`nice` {niceness}). The parts contention and processes
  also start media processes, see below. All other parts measure the web process.
- **Priority.** If the benchmark may raise priorities, the event loops of media processes have a real-time priority, as
  [in production](production.md#media-processes), and so do the floor, the relay and the benchmark's own thread. The web process does not.
- **Floor.** uvloop and `picows`, the library that carries our frames to and from models. One callback cuts the payload out of one
  socket's frame and sends it over the other, nothing else. Same core, same load, same run.
- **Bare relay.** The same with uvloop and `websockets`, as a first implementation would be.
- **Added latency.** The round trip of a frame from the carrier through the platform to the model and back, minus the median round
  trip between the same two ends without anything in between, at the same number of calls in the same run. So p99 includes the
  machine's jitter.
- **CPU per call-second.** User and system time of the process in ms per 50 frames sent: 10 ms means at most 100 calls per core. It
  falls as the number of calls grows, because one wake-up then serves several frames. *services* is PostgreSQL and Valkey.
- **API.** GETs of three lists (a page of 25 calls, the numbers, ten API keys) over eight connections, cycling through 60 keys. CPU
  is the web process's time per request. Its reciprocal is the number of requests that one core can answer. The latency is from a
  separate run at a fixed rate, measured from when each request was due. If the benchmark sends a request late, that counts, too.
  `python -m tests.bench.api` measures only this.
- **Memory of a call.** The growth of the web process's physical memory (PSS) while calls are added to calls that are already open, so
  threads, connections and caches exist before. All calls have sent audio, and are silent at the moment of the measurement, because
  audio in transit is not a call's memory. Objects that wait for Python's garbage collector count. The connections have no TLS.
  Each format has its own platform, because calls first use the memory that earlier calls left free.
- **Answering.** Signed `call.initiated` webhooks at a fixed rate. The time is from when a call was due until the carrier has the answer
  command. A hangup report ends each call right away, so there are as many of those. The web process, PostgreSQL and Valkey share a core.
- **Gemini's formats.** {calls} calls to each model, alternately. Gemini receives 16 kHz PCM and sends 24 kHz: each frame is decoded,
  resampled and encoded, and one from the model is six times as long as PCMU. Its frames have no tags and are counted in order.
- **Recording, live transcript and metering.** {calls} calls with and without recording and live transcript, alternately. Each side says a
  sentence every two seconds. The clock process meters the calls in both cases; its CPU time is stated separately.
- **Capacity.** More calls in one process on one core, once for each level, after the same calls over the floor. If even the floor's
  median is too high, the benchmark itself had too little CPU time, and the level is not measured.
- **With other work.** {contention_calls} calls, alternately alone and with other work: {api_rate} API requests, {page_rate} dashboard
  pages of an account with {contention_past_calls:,} calls and {webhook_rate} webhooks a second, and nightly checks of that account's
  ledger, one after another. First the web process has the calls, then a media process. The added latency is the difference between
  both at the median, at p99, and of the slowest frame. The process with the calls has one core. The benchmark, which plays carrier and
  model, has the other. PostgreSQL, Valkey, the clock and the worker run on both cores at a lower priority
  (`nice` {niceness}), as does the web process when a media process has the calls. A separate process on the benchmark's core sends
  the other work.
- **Several media processes.** Calls on one and on two media processes, which share a core with the web process, the clock, PostgreSQL and
  Valkey. A straight line is fitted to the CPU time of a media process by its own calls, and to that of each shared process by all calls.
  *±* is the largest error of a measured point. The CPU time to start and end a call is what was used outside the measured seconds,
  minus that of the audio in this time. Calls of the predictions last two minutes, so 1,000 calls an hour are 33 at once. They are spread
  evenly over the hour; real traffic has peaks.
- **Not measured.** Real carriers and models, networks with delay or loss, TLS, and several machines.
- **Barge-in to clear.** The time from the model's report that the caller is speaking until the carrier receives the `clear` that
  empties its playback queue, including both ways over loopback. At {interrupted} concurrent calls, each interrupted every 0.4 s, so
  the media process also writes {interruptions_per_second:.0f} interruptions a second to the database.
"""


def added_ms(run: Run, direct: Run, share: float) -> float:
    """The latency in ms that a way adds at a quantile, compared with the median of the bare connection."""
    return (run.quantile(share) - direct.quantile(0.5)) * 1000


def brief(run: Run) -> str:
    """A one-line summary, printed while the benchmark runs."""
    trips = f"round trip p50 {run.quantile(0.5) * 1000:.2f} ms, p99 {run.quantile(0.99) * 1000:.2f} ms"
    cpu = "".join(f", CPU {run.cpu_ms_per_call_second(group):.1f} ms/call-s" for group in range(len(run.cpu)))
    return f"{run.frames} frames, {run.lost} lost, {trips}{cpu}"


def tables(
    direct: Sequence[Run],
    floor: Sequence[Run],
    relay: Sequence[Run],
    measured: Sequence[Run],
) -> str:
    """Markdown tables with a row per number of calls."""
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
    return "\n".join(rows)


def interruptions(delays: Sequence[float], calls: int) -> Finding:
    """How long the caller is talked over."""
    p50, p99 = (quantile(delays, share) * 1000 for share in (0.5, 0.99))
    text = f"Barge-in to clear at {calls} calls, p50 / p99 of {len(delays)}: **{p50:.2f} / {p99:.2f} ms**."
    return judged(text, p99, INTERRUPTION_LIMIT_MS, "Barge-in to clear at p99 in ms")


def without_media_process(floor: Run, web: Run) -> str:
    """How calls in a web process compare with the floor."""
    p99 = (web.quantile(0.99) * 1000, floor.quantile(0.99) * 1000)
    ratio = web.cpu_ms_per_call_second() / floor.cpu_ms_per_call_second()
    return (
        f"Without a media process, {web.calls} calls in the web process: {ratio:.1f} × the CPU of the floor, round trip p99 "
        f"{p99[0]:.2f} ms (floor {p99[1]:.2f}), {web.lost} of {web.frames} frames lost."
    )


def text_of(findings: Sequence[Finding]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {finding.text}" for finding in findings)


def page(text: str, scale: Scale, groups: Iterable[Iterable[str]], judged: int = 20) -> str:
    """The whole of docs/benchmarks.md."""
    return PAGE.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        python=platform.python_version(),
        cores=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        tables=text,
        seconds=scale.seconds,
        repeats=scale.repeats,
        calls=scale.calls,
        parts="; ".join(", ".join(parts) for parts in groups),
        contention_calls=scale.contention_calls,
        contention_past_calls=scale.contention_past_calls,
        api_rate=API_RATE,
        page_rate=PAGE_RATE,
        webhook_rate=WEBHOOK_RATE,
        niceness=OTHER_WORK_NICENESS,
        judged=judged,
        interrupted=scale.interrupted,
        interruptions_per_second=scale.interrupted / TURN_SECONDS,
    )
