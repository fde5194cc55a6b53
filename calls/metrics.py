"""Instruments of calls: their number, outcomes, models and audio."""

from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any

from agents.metrics import model_label
from bubblyphone.core.monitoring.metrics import FLUSHES, Counter, Histogram, Sampled, Samples
from calls.models import Call
from calls.session.audio_counts import AUDIO
from calls.session.turn_clock import TurnTimes
from phone_numbers.carriers.registry import slug_of

# Our part of the answer time: usually less than 0.01 s.
OWN_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)

ENDED = Counter("calls_ended", "Calls that have ended.", ("direction", "carrier", "model", "cause"))
ANSWER_SECONDS = Histogram(
    "answer_seconds", "From the caller's last word to the first sound of the answer.", ("model",)
)
ADDED_LATENCY = Histogram(
    "added_latency_seconds",
    "Our part of the answer delay: from the model's first sound until it was sent to the carrier.",
    buckets=OWN_SECONDS,
)
MODEL_CONNECTIONS = Counter("model_connections", "Connections to models, by outcome.", ("model", "outcome"))
FRAMES = Counter("audio_frames", "Callers' audio frames that arrived.")
LATE = Counter("audio_frames_late", "Frames that arrived more than 100 ms late.")
LOST = Counter("audio_frames_lost", "Frames that never arrived, or that no model was connected to receive.", ("where",))

_OUTCOMES = {"model.connected": "connected", "model.reconnected": "reconnected"}


def carrier_label(call: Call) -> str:
    """The origin of the call: `browser`, `exchange`, or a real carrier's name."""
    return "browser" if call.sandbox else slug_of(call.carrier)


def note_end(call: Call) -> None:
    """A call has ended, and the database knows it."""
    ENDED.add(call.direction, carrier_label(call), model_label(call.model_slug), call.hangup_cause)


def note_turn(call_id: int, times: TurnTimes) -> None:
    """A caller was answered."""
    slug = Call.objects.values_list("model_slug", flat=True).get(pk=call_id)
    ANSWER_SECONDS.observe(times.total_ms / 1000, model_label(slug))
    ADDED_LATENCY.observe(times.own_ms / 1000)


def note_event(call_id: int, event_type: str, about: Mapping[str, Any]) -> None:
    """A timeline entry was written. If it names no model, it is about the call's own."""
    outcome = _OUTCOMES.get(event_type)
    if event_type == "model.failed":
        outcome = "refused" if about["refused"] else "failed"
    if outcome is not None:
        slug = about.get("model") or Call.objects.values_list("model_slug", flat=True).get(pk=call_id)
        MODEL_CONNECTIONS.add(model_label(slug), outcome)


_flushed: Tally[str] = Tally()


def _flush_audio() -> None:
    for name, counter, labels in (
        ("heard", FRAMES, ()),
        ("late", LATE, ()),
        ("lost_on_line", LOST, ("line",)),
        ("lost_to_model", LOST, ("model",)),
    ):
        count: int = getattr(AUDIO, name)
        counter.add(*labels, amount=count - _flushed[name])
        _flushed[name] = count


FLUSHES.register(_flush_audio)


def _running() -> Samples:
    columns = "status", "direction", "sandbox", "carrier", "model_slug"
    running = Tally(
        (call.status, call.direction, carrier_label(call), model_label(call.model_slug))
        for call in Call.objects.running().only(*columns)
    )
    return running.items()


Sampled(
    "calls_running",
    "Calls that have not ended.",
    ("state", "direction", "carrier", "model"),
    sample=_running,
)
