"""Joins a recording's two parts on one clock: the session's part, then the carrier's part from after the transfer."""

import wave
from datetime import datetime
from pathlib import Path

from bubblyphone.core.audio import Resampler
from calls.after_call.wav_file import StereoReader, WavFile

# Telephony uses no other rates.
SAMPLE_RATES = {8000, 16000, 24000, 32000, 44100, 48000}


def join(whole: Path, part: Path, *, whole_began_at: datetime, part_began_at: datetime) -> None:
    """Put `part` into the file `whole` where it belongs by the clock: from there on it is all there is.

    Done again after it broke off, it does the same. `whole` may be missing: it is then silent up to the part. The part is brought to
    its sample rate; one channel alone is heard on both sides. Raises wave.Error, EOFError for a part that is no recording.
    """
    with part.open("rb") as file:
        reader = StereoReader(file)
        if reader.sample_rate not in SAMPLE_RATES:
            raise wave.Error(f"a recording of {reader.sample_rate} samples a second")
        joined = WavFile(whole, reader.sample_rate, whole_began_at)
        try:
            offset = (part_began_at - joined.began_at).total_seconds()
            joined.cut_or_pad(max(0, round(offset * joined.sample_rate)))
            _append(joined, reader)
        finally:
            joined.close()


def _append(joined: WavFile, reader: StereoReader) -> None:
    """In chunks of one second."""
    is_same_rate = reader.sample_rate == joined.sample_rate
    converters = None if is_same_rate else [Resampler(reader.sample_rate, joined.sample_rate) for _ in range(2)]
    for first in range(0, reader.frames, reader.sample_rate):
        sides = [reader.read(channel, first, reader.sample_rate) for channel in range(2)]
        if converters is not None:
            sides = [converter.process(side) for converter, side in zip(converters, sides, strict=True)]
        joined.append(*sides)
