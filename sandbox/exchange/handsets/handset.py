"""The telephone at the other end of a leg, and what it can do with its line."""

from abc import ABC, abstractmethod
from typing import Literal, Protocol

Answerer = Literal["human", "machine", "fax", "silence", "screening"]
# What answering machine detection listens for: the end of a greeting, with or without a tone; the tone of a phone that
# screens calls; and a person who takes over from a machine.
Signal = Literal["beep", "no_beep", "screening_tone", "person"]


class Line(Protocol):
    """A leg as its handset sees it. Every method may be called at any time; on a line that is dead it does nothing."""

    from_number: str
    to_number: str

    def pick_up(self) -> None:
        """Answer the call that rings here."""

    def decline(self, *, busy: bool = False) -> None:
        """Turn the call that rings here down."""

    def put_down(self) -> None:
        """Hang up: before the answer that is the caller giving up."""

    def press(self, digit: str) -> None:
        """Press one key: 0-9, A-D, * or #."""

    def signal(self, signal: Signal) -> None:
        """Something that tells who has answered sounds now."""


class Handset(ABC):
    """One telephone with one line at a time. All methods run on the exchange's event loop and must not block.

    A frame is 20 ms of PCMU, 160 bytes. From the answer to the end, `next_frame` and `play` are called in turn every 20
    ms.
    """

    # What answering machine detection takes the one who answers for.
    answerer: Answerer = "human"

    def __init__(self, number: str) -> None:
        self.number = number
        self.line: Line | None = None

    @abstractmethod
    def on_ringing(self, line: Line, *, inbound: bool) -> None:
        """With `inbound` this telephone rings; otherwise it has dialed and hears the ringing tone."""

    @abstractmethod
    def on_answered(self) -> None:
        """The call is up, from either side."""

    @abstractmethod
    def next_frame(self) -> bytes | None:
        """What is said into this telephone in the next 20 ms; None is silence."""

    @abstractmethod
    def play(self, frame: bytes) -> None:
        """What is heard from this telephone now."""

    @abstractmethod
    def on_dtmf(self, digit: str) -> None:
        """The other side pressed a key."""

    @abstractmethod
    def on_ended(self, cause: str) -> None:
        """The call is over, or never came about. `cause` is Telnyx's hangup_cause."""
