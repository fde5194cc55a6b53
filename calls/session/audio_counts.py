"""Counts audio frames in this process. Runs for every frame, so it uses plain integers; `calls.metrics` exports them to Prometheus."""

from dataclasses import dataclass


@dataclass(slots=True)
class AudioCounts:
    """Counts of caller frames. They only grow."""

    heard: int = 0  # received from the carrier or the browser
    late: int = 0  # of these, more than 0.1 s late
    lost_on_line: int = 0  # never received: later frames stay late by as much
    lost_to_model: int = 0  # without a model connection to receive them


AUDIO = AudioCounts()
