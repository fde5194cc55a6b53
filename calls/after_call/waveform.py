"""The loudness of a recording over time, for drawing: the caller above the line, the agent below it."""

import wave

import numpy as np
from django.core.cache import cache

from calls.after_call.recording_files import storage
from calls.after_call.wav_file import StereoReader
from calls.models import Recording

BUCKETS = 400
# Samples examined per bucket: an hour is drawn as quickly as a minute.
MAX_FRAMES = 1600
HEIGHT = 50  # height of each half of the drawing
FULL_SCALE = 32_768
KEPT_SECONDS = 7 * 24 * 3600
COLORS = ("#14988a", "#7a72f2")  # caller, agent; distinguishable on light and dark backgrounds


def waveform_svg(recording: Recording) -> str:
    """The drawing, 400 by 100, scaled to the length of the recording. Raises OSError if the file cannot be read."""
    key = f"waveform:{recording.pk}"
    drawing: str | None = cache.get(key)
    if drawing is None:
        caller, agent = peaks(recording)
        drawing = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {BUCKETS} {2 * HEIGHT}" preserveAspectRatio="none">'
            f'<path fill="{COLORS[0]}" d="{_bars(caller, -1)}"/><path fill="{COLORS[1]}" d="{_bars(agent, 1)}"/></svg>'
        )
        cache.set(key, drawing, KEPT_SECONDS)
    return drawing


def peaks(recording: Recording) -> tuple[list[float], list[float]]:
    """The loudest moment of each bucket, 0 to 1, of the caller and of the agent."""
    with storage().open(recording.name) as file:
        try:
            reader = StereoReader(file)
        except (wave.Error, EOFError) as error:
            raise OSError("not a recording") from error
        starts = [bucket * reader.frames // BUCKETS for bucket in range(BUCKETS)]
        count = max(1, min(MAX_FRAMES, reader.frames // BUCKETS))
        caller, agent = ([_peak(reader.read(channel, start, count)) for start in starts] for channel in (0, 1))
        return caller, agent


def _peak(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    return float(np.abs(samples).max(initial=0)) / FULL_SCALE


def _bars(levels: list[float], side: int) -> str:
    """Bars from the middle line; the square root makes quiet speech visible."""
    parts = []
    for x, level in enumerate(levels):
        if height := round(level**0.5 * HEIGHT, 1):
            parts.append(f"M{x} {HEIGHT}v{side * height}h0.8V{HEIGHT}z")
    return "".join(parts)
