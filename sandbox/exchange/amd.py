"""Answering machine detection: sends Telnyx's reports according to what the handset is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sandbox.exchange.handsets.handset import Answerer, Signal

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg


class Verdict(NamedTuple):
    """The result of detection in premium mode and in standard mode, and the seconds after the answer when it is known."""

    seconds: float
    premium: str
    standard: str


VERDICTS: dict[Answerer, Verdict] = {
    "human": Verdict(1.2, "human_residence", "human"),
    "machine": Verdict(1.8, "machine", "machine"),
    "fax": Verdict(1.8, "fax_detected", "machine"),
    "silence": Verdict(5.0, "silence", "not_sure"),  # silence is no basis for a decision
    "screening": Verdict(1.8, "machine", "machine"),
}
SCREENING_MODE = "premium_ios_call_screening_detection"


@dataclass(slots=True)
class MachineDetection:
    """One analysis. `mode` is that of the dial command, `limit_seconds` its total_analysis_time."""

    mode: str
    limit_seconds: float
    verdict: str = ""
    _is_screened: bool = False

    @property
    def _prefix(self) -> str:
        return "call.machine.premium" if self.is_premium else "call.machine"

    @property
    def is_premium(self) -> bool:
        return self.mode in {"premium", SCREENING_MODE}

    def start(self, leg: "Leg") -> None:
        """Start listening at the answer."""
        verdict = VERDICTS[leg.handset.answerer]
        if verdict.seconds <= self.limit_seconds:
            result = verdict.premium if self.is_premium else verdict.standard
            leg.later(verdict.seconds, lambda: self._conclude(leg, result))
        else:
            leg.later(self.limit_seconds, lambda: self._conclude(leg, "not_sure"))

    def _conclude(self, leg: "Leg", result: str) -> None:
        if not self.verdict:
            self.verdict = result
            leg.report(f"{self._prefix}.detection.ended", result=result)

    def hear(self, leg: "Leg", signal: Signal) -> None:
        """Process a signal on the line. After the tone of a phone that screens calls, detection starts again when the person joins."""
        if signal == "person":
            if self._is_screened:
                self.verdict = ""
                self.start(leg)
        elif signal == "screening_tone" and self.mode == SCREENING_MODE:
            self._is_screened = True
            self.verdict = self.verdict or "machine"
            leg.report("call.machine.premium.call_screening.detected", result="screening")
        else:
            self._greeting_ended(leg, beep=signal != "no_beep")

    def _greeting_ended(self, leg: "Leg", *, beep: bool) -> None:
        """The machine's greeting has ended. A beep before the verdict replaces this report."""
        if self.mode == "detect" or (self.verdict not in {"", "machine"}):
            return
        if self.mode == "greeting_end":
            result = "ended"
        elif beep:
            result = "beep_detected"
        elif self.is_premium:
            result = "no_beep_detected"
        else:
            return
        self.verdict = self.verdict or result
        leg.report(f"{self._prefix}.greeting.ended", result=result)
