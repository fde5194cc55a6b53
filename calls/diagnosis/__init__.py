"""Explains why a call failed, or what went wrong in it: a sentence, whose fault it was, the evidence, and what to do.

The call's page, the API and the report use the same explanation.
"""

from collections.abc import Sequence
from dataclasses import replace

from calls.diagnosis.case import Case, Diagnosis, Fault
from calls.diagnosis.endings import ENDINGS
from calls.diagnosis.troubles import on_the_way, silent_model
from calls.models import Call, CallEvent, HangupCause
from calls.outcomes import describe_ending
from calls.selectors import deliveries_of
from webhooks.models import WebhookDelivery

__all__ = ["Diagnosis", "Fault", "diagnose", "explain"]

IN_PROGRESS = "in_progress"
UNKNOWN = "unknown"  # the end of a call without a cause
# Ends that may have another reason than the one they are named by.
ENDED_ON_PURPOSE = {HangupCause.NORMAL_CLEARING, HangupCause.SILENCE_TIMEOUT, HangupCause.MAX_DURATION}


def explain(call: Call) -> Diagnosis:
    """Explain a call, loading its data from the database."""
    return diagnose(call, list(call.events.all()), list(deliveries_of(call)))


def diagnose(call: Call, events: Sequence[CallEvent], deliveries: Sequence[WebhookDelivery]) -> Diagnosis:
    """From events and deliveries in order. A running call has no diagnosis yet."""
    found = _find(Case(call, events, deliveries)) if call.is_over else None
    if found is None:
        found = Diagnosis(Fault.NOBODY, describe_ending(call), "Nothing to do.", is_end=False, is_trouble=False)
    return replace(found, outcome=(call.hangup_cause or UNKNOWN) if call.is_over else IN_PROGRESS)


def _find(case: Case) -> Diagnosis | None:
    if case.call.hangup_cause in ENDED_ON_PURPOSE and (silent := silent_model(case)):
        return silent
    ending = ENDINGS.get(case.call.hangup_cause)
    return ending(case) if ending else on_the_way(case)
