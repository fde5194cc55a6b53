"""Metrics of this installation, for Prometheus.

Apps declare instruments in `metrics.py`; docs/observability.md lists them. The processes store counters and histograms (`metric_files`).
A `Sampled` is evaluated at each scrape, mostly from the database. Per-frame audio counts are plain integers, which `FLUSHES` copy every
two seconds. Labels have few values.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import prometheus_client

from bubblyphone.core.registry import Registry

logger = logging.getLogger(__name__)

PREFIX = "bubblyphone_"
FLUSH_SECONDS = 2.0
# From 0.01 s to 30 s.
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
Samples = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True)
class Instrument:
    """`name` is without the prefix; `help` is what Prometheus and the documentation show."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        INSTRUMENTS.register(self)

    @property
    def exposed_name(self) -> str:
        return PREFIX + self.name

    def _make(self) -> Any:
        """The instrument of prometheus_client."""
        raise NotImplementedError

    def _write(self, action: str, labels: tuple[str, ...], value: float) -> None:
        """The measured code continues even if recording the measurement fails."""
        try:
            made = _made(self)
            getattr(made.labels(*labels) if labels else made, action)(value)
        except OSError:
            logger.warning("%s could not be written", self.exposed_name, exc_info=True)


INSTRUMENTS: Registry[Instrument] = Registry()
"""Everything that /metrics can show."""

_making = threading.Lock()
_by_instrument: dict[str, Any] = {}


def _made(instrument: Instrument) -> Any:
    """Created at the first use, because from then on the process has files; only once, because two instances would overwrite each other's
    values.
    """
    made = _by_instrument.get(instrument.name)
    if made is None:
        with _making:
            made = _by_instrument.get(instrument.name)
            if made is None:
                made = _by_instrument[instrument.name] = instrument._make()
    return made


@dataclass(frozen=True)
class Counter(Instrument):
    """Only grows, summed over all processes that have ever run. Its name ends in `_total`."""

    def add(self, *labels: str, amount: float = 1) -> None:
        """Thread-safe; as fast as a memory write."""
        self._write("inc", labels, amount)

    def _make(self) -> Any:
        return prometheus_client.Counter(self.exposed_name, self.help, self.labels, registry=None)


@dataclass(frozen=True)
class Histogram(Instrument):
    """How often a duration fell into each bucket; all bounds and values are in seconds."""

    buckets: tuple[float, ...] = SECONDS

    def observe(self, seconds: float, *labels: str) -> None:
        self._write("observe", labels, seconds)

    def _make(self) -> Any:
        return prometheus_client.Histogram(
            self.exposed_name, self.help, self.labels, registry=None, buckets=self.buckets
        )


@dataclass(frozen=True)
class Gauge(Instrument):
    """A current value of this process; shown as the sum over running processes."""

    def set(self, value: float, *labels: str) -> None:
        self._write("set", labels, value)

    def _make(self) -> Any:
        return prometheus_client.Gauge(
            self.exposed_name, self.help, self.labels, registry=None, multiprocess_mode="livesum"
        )


@dataclass(frozen=True)
class Sampled(Instrument):
    """Current values computed by `sample`: (label values, value) for each. It may raise DatabaseError and RedisError."""

    sample: Callable[[], Samples] = field(kw_only=True)
    needs_database: bool = field(kw_only=True, default=True)


FLUSHES: Registry[Callable[[], None]] = Registry()
"""Called every two seconds in processes that hold calls or serve requests: bring what was counted in memory into the instruments."""


def start_flushing() -> None:
    """Runs in its own thread until the process ends."""
    threading.Thread(target=_keep_flushing, name="metrics", daemon=True).start()


def _keep_flushing() -> None:
    pause = threading.Event()
    while not pause.wait(FLUSH_SECONDS):
        flush()


def flush() -> None:
    """One round of FLUSHES."""
    for bring in FLUSHES:
        try:
            bring()
        except Exception:  # one failing function must not end the others
            logger.exception("Updating metrics failed")
