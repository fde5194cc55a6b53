"""Two legs that hear each other."""

from typing import TYPE_CHECKING, Protocol

from sandbox.exchange.audio.audio_queue import AudioQueue

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg

# Each leg has its own clock. More pending audio than this means that one of them is faulty, and the audio is dropped.
MAX_LAG_MS = 200


class Junction(Protocol):
    """A leg's connection to others."""

    def send(self, leg: "Leg", frame: bytes) -> None: ...
    def receive(self, leg: "Leg") -> bytes: ...
    def press(self, leg: "Leg", digit: str) -> None: ...
    def part(self) -> None: ...
    def leave(self, leg: "Leg") -> None: ...


class Bridge:
    """Joins two answered legs and reports it. A leg that is `parked` continues when the other one ends; otherwise it ends."""

    def __init__(self, first: "Leg", second: "Leg", *, is_first_parked: bool, has_dtmf: bool = True) -> None:
        self._first = first
        self._second = second
        self._is_first_parked = is_first_parked
        self._has_dtmf = has_dtmf
        self._toward_first = AudioQueue()
        self._toward_second = AudioQueue()
        for leg in (first, second):
            leg.bridge = self
            leg.report("call.bridged")

    def other(self, leg: "Leg") -> "Leg":
        """The leg at the other end."""
        return self._second if leg is self._first else self._first

    def send(self, leg: "Leg", frame: bytes) -> None:
        """Send 20 ms of PCMU to the other leg."""
        line = self._toward_second if leg is self._first else self._toward_first
        if line.queued_ms >= MAX_LAG_MS:
            line.clear()
        line.write(frame)

    def receive(self, leg: "Leg") -> bytes:
        """Receive 20 ms of PCMU from the other leg."""
        return (self._toward_first if leg is self._first else self._toward_second).next_frame()

    def press(self, leg: "Leg", digit: str) -> None:
        """Pass on a key that this leg's person pressed to the other leg."""
        if self._has_dtmf:
            self.other(leg).handset.on_dtmf(digit)

    def part(self) -> None:
        """Separate the legs. Both continue."""
        for leg in (self._first, self._second):
            leg.bridge = None

    def part_from(self, leg: "Leg") -> None:
        """Separate the legs, if this bridge still joins them."""
        if leg.bridge is self:
            self.part()

    def leave(self, leg: "Leg") -> None:
        """One leg ends or joins another: end the bridge."""
        other = self.other(leg)
        self.part()
        if other is self._second or not self._is_first_parked:
            other.hang_up()
