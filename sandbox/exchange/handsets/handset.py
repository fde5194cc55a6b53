"""The phone at the other end of a leg, and what it can do with its line."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal, Protocol

Answerer = Literal["human", "machine", "fax", "silence", "screening"]
# What answering machine detection listens for: the end of a greeting, with or without a tone; the tone of a phone that
# screens calls; and a person who takes over from a machine.
Signal = Literal["beep", "no_beep", "screening_tone", "person"]


class Line(Protocol):
    """A leg as its handset sees it. Every method can be called at any time. After the end of the call they do nothing."""

    from_number: str
    to_number: str

    def pick_up(self) -> None:
        """Answer the ringing call."""

    def decline(self, *, busy: bool = False) -> None:
        """Decline the ringing call."""

    def put_down(self) -> None:
        """Hang up. Before the answer, this cancels the call."""

    def press(self, digit: str) -> None:
        """Press one key: 0-9, A-D, * or #."""

    def signal(self, signal: Signal) -> None:
        """Give answering machine detection a signal, such as a beep."""


@dataclass(eq=False)
class Handset(ABC):
    """A phone with one line at a time. All methods run on the exchange's event loop and must not block.

    A frame is 20 ms of PCMU, 160 bytes. From the answer to the end, `next_frame` and `play` are each called every 20 ms.
    """

    number: str
    # What answering machine detection finds.
    answerer: Answerer = field(default="human", kw_only=True)
    line: Line | None = field(default=None, init=False)

    @abstractmethod
    def on_ringing(self, line: Line, *, inbound: bool) -> None:
        """With `inbound` this phone rings. Otherwise it has dialed and hears the ringback tone."""

    @abstractmethod
    def on_answered(self) -> None:
        """The call was answered, by either party."""

    @abstractmethod
    def next_frame(self) -> bytes | None:
        """The next 20 ms that this phone sends, or None for silence."""

    @abstractmethod
    def play(self, frame: bytes) -> None:
        """Play 20 ms of audio from the other party."""

    @abstractmethod
    def on_dtmf(self, digit: str) -> None:
        """The other party pressed a key."""

    @abstractmethod
    def on_ended(self, cause: str) -> None:
        """The call has ended, or was never connected. `cause` is Telnyx's hangup_cause."""
