"""Resamples whole sentences from the voice's rate to a call's. Runs in the worker; `bubblyphone.core.audio` resamples streams."""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

# Taps on each side of an output sample at the lower of both rates: the transition is about 10% of the band, with more than 70 dB
# attenuation.
HALF_WIDTH = 16
KAISER_BETA = 8.0
# Output samples per step, which limits the memory of the window matrix to a few MB.
BLOCK = 8192


@lru_cache(maxsize=8)
def _filter_bank(up: int, down: int) -> NDArray[np.float32]:
    """One windowed-sinc filter for each of the `up` positions that an output sample can have between two input samples."""
    cutoff = min(1.0, up / down)
    taps = 2 * int(np.ceil(HALF_WIDTH / cutoff))
    offsets = np.arange(taps) - (taps // 2 - 1)
    position = offsets[None, :] - (np.arange(up) / up)[:, None]
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (position / (taps / 2)) ** 2))) / np.i0(KAISER_BETA)
    bank = cutoff * np.sinc(cutoff * position) * window
    normalised: NDArray[np.float32] = (bank / bank.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def resample(samples: NDArray[np.float32], source_hz: int, target_hz: int) -> NDArray[np.float32]:
    """Mono samples at another rate: length * target / source, rounded down, no delay, silence beyond the edges."""
    if source_hz == target_hz:
        return samples
    divisor = gcd(source_hz, target_hz)
    up, down = target_hz // divisor, source_hz // divisor
    bank = _filter_bank(up, down)
    taps = bank.shape[1]
    padded = np.pad(samples, (taps // 2 - 1, taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    count = len(samples) * up // down
    out = np.empty(count, np.float32)
    for start in range(0, count, BLOCK):
        position = np.arange(start, min(start + BLOCK, count)) * down
        out[start : start + len(position)] = np.einsum("ij,ij->i", windows[position // up], bank[position % up])
    return out
