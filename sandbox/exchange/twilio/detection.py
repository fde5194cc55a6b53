"""Twilio's answering machine detection: https://www.twilio.com/docs/voice/answering-machine-detection."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.exchange.amd import MachineDetection

if TYPE_CHECKING:
    from sandbox.exchange.twilio.calls import Call

# The exchange's detection runs in Telnyx's premium mode.
VERDICTS = {"human_residence": "human", "fax_detected": "fax", "silence": "unknown", "not_sure": "unknown"}
ENDS = {"beep_detected": "machine_end_beep", "no_beep_detected": "machine_end_silence"}


@dataclass(slots=True)
class Detection:
    """`Enable` reports who answered as soon as it is known. `DetectMessageEnd` waits for the end of a machine's greeting."""

    mode: Literal["Enable", "DetectMessageEnd"]
    timeout_seconds: int = 30
    is_async: bool = False
    callback_url: str = ""
    callback_method: str = "POST"
    machine: MachineDetection = field(init=False)
    _since: float = 0.0

    def __post_init__(self) -> None:
        self.machine = MachineDetection("premium", float(self.timeout_seconds))

    def begin(self, call: "Call") -> None:
        """The call was answered. Without a verdict in time, it is "unknown"."""
        self._since = asyncio.get_running_loop().time()
        call.leg.later(self.timeout_seconds, lambda: call.verdict("unknown", self.timeout_seconds * 1000))

    def heard(self, call: "Call", event_type: str, about: dict[str, Any]) -> None:
        """Process a report of the leg's detection."""
        milliseconds = round((asyncio.get_running_loop().time() - self._since) * 1000)
        result = about.get("result", "")
        if event_type.endswith("greeting.ended"):
            call.verdict(ENDS[result] if self.mode == "DetectMessageEnd" else "machine_start", milliseconds)
        elif event_type.endswith("detection.ended"):
            if result != "machine":
                call.verdict(VERDICTS[result], milliseconds)
            elif self.mode == "Enable":
                call.verdict("machine_start", milliseconds)
