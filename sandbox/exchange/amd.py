"""Answering machine detection: the reports that Telnyx sends, from what the handset is known to be."""

from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.exchange.handset import Answerer, Handset

HUMAN_VERDICT_SECONDS = 1.2
MACHINE_VERDICT_SECONDS = 1.8
# Who says nothing gives nothing to judge by.
SILENCE_VERDICT_SECONDS = 5.0
VERDICT_SECONDS: dict[Answerer, float] = {
    "human": HUMAN_VERDICT_SECONDS,
    "machine": MACHINE_VERDICT_SECONDS,
    "fax": MACHINE_VERDICT_SECONDS,
    "silence": SILENCE_VERDICT_SECONDS,
}
PREMIUM_RESULTS: dict[Answerer, str] = {
    "human": "human_residence",
    "machine": "machine",
    "fax": "fax_detected",
    "silence": "silence",
}
STANDARD_RESULTS: dict[Answerer, str] = {
    "human": "human",
    "machine": "machine",
    "fax": "machine",
    "silence": "not_sure",
}


class DetectedLeg(Protocol):
    """What detection needs of its leg."""

    handset: Handset

    def report(self, event_type: str, *, parties: bool = True, **extra: Any) -> None: ...
    def later(self, seconds: float, action: Any) -> None: ...


@dataclass(slots=True)
class MachineDetection:
    """One analysis. `mode` is that of the dial command, `limit_seconds` its total_analysis_time."""

    mode: str
    limit_seconds: float
    verdict: str = ""

    @property
    def _prefix(self) -> str:
        return "call.machine.premium" if self.mode == "premium" else "call.machine"

    def start(self, leg: DetectedLeg) -> None:
        """Listen from the answer on."""
        delay = VERDICT_SECONDS[leg.handset.answerer]
        if delay <= self.limit_seconds:
            results = PREMIUM_RESULTS if self.mode == "premium" else STANDARD_RESULTS
            leg.later(delay, lambda: self._conclude(leg, results[leg.handset.answerer]))
        else:
            leg.later(self.limit_seconds, lambda: self._conclude(leg, "not_sure"))

    def _conclude(self, leg: DetectedLeg, result: str) -> None:
        if not self.verdict:
            self.verdict = result
            leg.report(f"{self._prefix}.detection.ended", result=result)

    def greeting_ended(self, leg: DetectedLeg, *, beep: bool) -> None:
        """The machine's greeting is over. A beep before the verdict replaces it: only this is reported."""
        if self.mode == "detect" or (self.verdict not in {"", "machine"}):
            return
        if self.mode == "greeting_end":
            result = "ended"
        elif beep:
            result = "beep_detected"
        elif self.mode == "premium":
            result = "no_beep_detected"
        else:
            return
        self.verdict = self.verdict or result
        leg.report(f"{self._prefix}.greeting.ended", result=result)
