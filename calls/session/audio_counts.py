"""Counts of audio frames in this process. On the path of every frame, so plain integers; `calls.metrics` brings them to Prometheus."""

from dataclasses import dataclass


@dataclass(slots=True)
class AudioCounts:
    """Of callers' frames. They only grow."""

    heard: int = 0  # that came from the carrier or the browser
    late: int = 0  # of these, more than a tenth of a second after their turn
    lost_on_line: int = 0  # that never came: what follows stays late by as much
    lost_to_model: int = 0  # that found no model connection to take them


AUDIO = AudioCounts()
