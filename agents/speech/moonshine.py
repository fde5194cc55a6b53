"""Speech to text with Moonshine tiny (English) directly on onnxruntime. Only the recognition worker imports this.

The weights come with the `moonshine-voice` package, whose native library is not used: it shares state between callers.
"""

import numpy as np
from numpy.typing import NDArray

from agents.speech.assets import package_folder
from agents.speech.onnx_models import open_model

SAMPLE_RATE = 16_000
START_TOKEN, END_TOKEN = 1, 2
# The model's own guard against loops: no English speaker says more tokens per second.
TOKENS_PER_SECOND = 6.5
EXTRA_TOKENS = 6
HEADS, HEAD_WIDTH = 8, 36
# Much shorter sounds make the model invent a sentence; silence around a short word prevents it.
MINIMUM_SECONDS = 1.0
PADDING_SECONDS = 0.1
# Beyond this the decoder may loop; longer speech is cut at its quietest moment.
MAXIMUM_SECONDS = 15.0


class Moonshine:
    """The recognizer. Stateless between calls, so one object serves every call of the process."""

    def __init__(self) -> None:
        folder = package_folder("moonshine_voice") / "assets" / "tiny-en"
        self._encoder = open_model(folder / "encoder_model.ort")
        self._decoder = open_model(folder / "decoder_model_merged.ort")
        self._cache_inputs = [i.name for i in self._decoder.get_inputs() if i.name.startswith("past_key_values")]
        self._cache_outputs = [o.name for o in self._decoder.get_outputs()][1:]
        self._pieces = _read_tokenizer((folder / "tokenizer.bin").read_bytes())

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """Text of mono 16 kHz samples in ±1 and the geometric mean of its tokens' probabilities; any length."""
        parts = [self._transcribe_piece(piece) for piece in _split_long(samples)]
        text = " ".join(text for text, _ in parts if text)
        weight = sum(len(text) for text, _ in parts)
        confidence = sum(len(text) * sure for text, sure in parts) / weight if weight else 0.0
        return text, confidence

    def _transcribe_piece(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        missing = max(0, int(MINIMUM_SECONDS * SAMPLE_RATE) - len(samples)) // 2
        padding = missing + int(PADDING_SECONDS * SAMPLE_RATE)
        audio = np.pad(samples, padding)[None].astype(np.float32)
        length = audio.shape[1]
        # The decoder also needs the mask at the raw length; with the encoder's it fails on audio of more than about 9 s.
        mask = np.ones((1, length), np.int64)
        hidden = self._encoder.run(None, {"input_values": audio, "attention_mask": mask})[0]
        limit = int(length / SAMPLE_RATE * TOKENS_PER_SECOND) + EXTRA_TOKENS
        tokens, probability = self._decode(hidden, mask, limit)
        return self._join(tokens), probability

    def _decode(self, hidden: NDArray[np.float32], mask: NDArray[np.int64], limit: int) -> tuple[list[int], float]:
        """Greedy decoding with the key/value cache. Returns the tokens and their mean probability."""
        cache = {name: np.zeros((1, HEADS, 0, HEAD_WIDTH), np.float32) for name in self._cache_inputs}
        tokens, log_probabilities = [START_TOKEN], []
        for step in range(limit):
            logits, *present = self._decoder.run(
                None,
                {
                    "input_ids": np.array([[tokens[-1]]], np.int64),
                    "encoder_hidden_states": hidden,
                    "encoder_attention_mask": mask,
                    "use_cache_branch": np.array([step > 0]),
                    **cache,
                },
            )
            scores = logits[0, -1]
            best = int(scores.argmax())
            log_probabilities.append(-float(np.log(np.exp(scores - scores[best]).sum())))
            for name, value in zip(self._cache_outputs, present, strict=True):
                # The encoder's part is only computed in the first step; later it is empty.
                if step == 0 or ".decoder." in name:
                    cache[name.replace("present", "past_key_values")] = value
            if best == END_TOKEN:
                break
            tokens.append(best)
        return tokens[1:], float(np.exp(np.mean(log_probabilities)))

    def _join(self, tokens: list[int]) -> str:
        pieces = (self._pieces[token] for token in tokens)
        spoken = b"".join(p for p in pieces if not (p.startswith(b"<") and p.endswith(b">") and len(p) > 3))
        return spoken.replace("▁".encode(), b" ").decode(errors="replace").strip()


def _read_tokenizer(data: bytes) -> list[bytes]:
    """Length-prefixed pieces; a length of 128 or more takes two bytes, the low seven bits first."""
    pieces, position = [], 0
    while position < len(data):
        length = data[position]
        position += 1
        if length >= 128:
            length += data[position] * 128 - 128
            position += 1
        pieces.append(data[position : position + length])
        position += length
    return pieces


def _split_long(samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Split audio that is too long for the model at the quietest tenth of a second of its second half."""
    longest, window = int(MAXIMUM_SECONDS * SAMPLE_RATE), SAMPLE_RATE // 10
    pieces = []
    while len(samples) > longest:
        half = longest // 2
        blocks = samples[half:longest]
        energy = (blocks[: len(blocks) // window * window].reshape(-1, window) ** 2).sum(axis=1)
        cut = half + int(energy.argmin()) * window + window // 2
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]
