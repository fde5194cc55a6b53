"""The interface of analyzers: a model, or rules."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """What one side said: `role` is "user", "model", or "human" for a person who took over the call."""

    role: str
    text: str


class AnalysisError(Exception):
    """There is no result; the message is for the developer. `retryable`: the same request can succeed later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Analyzer(ABC):
    """`source` names it in results. Calls block, so make them in jobs."""

    source: str

    @abstractmethod
    def analyze(self, schema: Mapping[str, Any], transcript: Sequence[Line]) -> dict[str, Any]:
        """A value for each field of a valid schema, of its type (`agents.analysis.answer`). Raises AnalysisError."""
