"""Several voices on one line."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw, wav_file
from sandbox.exchange.audio.audio_queue import SILENCE

TargetLegs = Literal["self", "opposite", "both"]


def mix(*frames: bytes) -> bytes:
    """Mix 20 ms of PCMU from several sources. A single source passes unchanged. A sum that is too loud is clipped."""
    audible = [frame for frame in frames if frame != SILENCE]
    if len(audible) <= 1:
        return audible[0] if audible else SILENCE
    total = sum(np.frombuffer(mulaw_to_pcm16(frame), "<i2").astype(np.int32) for frame in audible)
    return pcm16_to_mulaw(np.clip(total, -32768, 32767).astype("<i2").tobytes())


def stereo_wav(left: bytes, right: bytes) -> bytes:
    """A stereo WAV file (16 bit, 8 kHz) of two PCMU signals of the same length."""
    channels = [np.frombuffer(mulaw_to_pcm16(side), "<i2") for side in (left, right)]
    return wav_file(np.column_stack(channels).tobytes(), 8000, 2)


def mix_for(target: TargetLegs, sources: Iterable[tuple[bytes, str]]) -> bytes:
    """Mix the (frame, target_legs) of a leg that are meant for its own person ("self") or for the other leg's ("opposite")."""
    return mix(*[frame for frame, wanted in sources if wanted in {target, "both"}])
