"""The interface between the offline session, which listens and speaks, and the brain that decides what to say."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.brain.text import without_marks


@dataclass(frozen=True, slots=True)
class Say:
    """One or more sentences to speak now."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call. Its result comes back through `Brain.go_on`."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The response of a tool."""

    call_id: str  # "" for a call of an earlier session
    name: str
    result: Mapping[str, Any]


Step = Say | Call
Steps = AsyncGenerator[Step, None]


class Brain(ABC):
    """One conversation. Each method yields the steps of one turn; closing the generator early means that the caller interrupted."""

    @property
    def is_patient(self) -> bool:
        """Whether the caller may pause within the next answer, for example in a number or name spoken in groups."""
        return False

    @abstractmethod
    def reply(self, instructions: str) -> Steps:
        """Speak first: for a `Cue` of the platform, or the greeting in the developer's instructions."""

    async def recite(self, text: str) -> Steps:
        """Say a text verbatim. SSML tags are not read out."""
        yield Say(without_marks(text))

    @abstractmethod
    def answer(self, text: str) -> Steps:
        """Answer what the caller said."""

    @abstractmethod
    def go_on(self, results: Sequence[ToolResult]) -> Steps:
        """Continue after the tools of the last turn."""

    @abstractmethod
    def ask_again(self) -> Steps:
        """The caller interrupted, but nothing could be understood."""

    @abstractmethod
    def note(self, message: str) -> None:
        """Add information from the developer, for the next answer."""

    def notice(self, message: str) -> None:  # noqa: B027  a brain that cannot read has no use for it
        """Record what happened in the call; none of it is meant for the caller."""

    @abstractmethod
    def follow(self, instruction: str) -> None:
        """Accept an instruction during the call, for the next answer; `Cue.FOLLOW_WHISPER` triggers that answer immediately."""

    @abstractmethod
    def said(self, text: str) -> None:
        """A turn is over; `text` is the part of it that was spoken."""

    @abstractmethod
    def heard(self, said: str, heard: str) -> None:
        """The caller heard only the beginning of the answer."""
