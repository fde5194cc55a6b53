"""Who answered an outbound call, as reported by the carrier: a person, a machine, or a phone that asks who is calling.

Each `on_…` returns why the call should end, or nothing. The call's row is locked.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from agents.agent_settings.choices import VoicemailAction
from calls import timeline
from calls.control import commands
from calls.control.session_messages import (
    GreetingEnded,
    MachineAnswered,
    PersonAnswered,
    ScreeningDetected,
    tell_session,
)
from calls.models import Call, CarrierEventRecord, HangupCause, Screened
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType

BEEP = "beep_detected"


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """`verdict` is "human", "machine", or "" while unknown; `greeting` is a machine's. `is_screened`: nobody has joined yet."""

    verdict: str
    greeting_ended_seconds_ago: float | None
    is_screened: bool


def reported(call_id: int) -> AnsweredBy:
    """The current state, for a session that starts after some of the reports."""
    call = Call.objects.get(pk=call_id)
    verdicts = _reports(call, CarrierEventType.MACHINE_DETECTED).values_list("detail", flat=True)
    ended = _reports(call, CarrierEventType.MACHINE_GREETING_ENDED).first()
    verdict = "machine" if call.voicemail_detected else verdicts.first() or ""
    return AnsweredBy(
        verdict="human" if call.screened == Screened.ACCEPTED else verdict,
        greeting_ended_seconds_ago=(timezone.now() - ended.occurred_at).total_seconds() if ended else None,
        is_screened=call.screened == Screened.DECLINED,
    )


def _reports(call: Call, kind: CarrierEventType) -> QuerySet[CarrierEventRecord]:
    reports = CarrierEventRecord.objects.filter(carrier=call.carrier, carrier_call_id=call.carrier_call_id)
    return reports.filter(event_type=kind).order_by("occurred_at")


def on_machine_detected(call: Call, event: CarrierEvent) -> str:
    if call.screened:
        return _on_verdict_after_screening(call, event)
    if event.detail == "machine":
        return _found_machine(call, event)
    commands.after_commit(tell_session, call.pk, PersonAnswered())
    return ""


def _found_machine(call: Call, event: CarrierEvent) -> str:
    """The session hangs up or leaves a message. It may still turn out to be a phone that asks who is calling."""
    if call.voicemail_detected:
        return ""
    call.voicemail_detected = True
    call.save(update_fields=["voicemail_detected"])
    timeline.add_event(call.pk, "voicemail.detected", "telephony", at=event.occurred_at)
    if call.is_over:
        return ""
    commands.after_commit(tell_session, call.pk, MachineAnswered())
    return ""


def on_machine_greeting_ended(call: Call, event: CarrierEvent) -> str:
    if call.screened:
        return HangupCause.VOICEMAIL if event.detail == BEEP and _is_after_screening(call, event.occurred_at) else ""
    # Only machines beep, and this may be the only report.
    cause = _found_machine(call, event) if event.detail == BEEP else ""
    timeline.add_event(call.pk, "voicemail.greeting_ended", "telephony", at=event.occurred_at)
    if call.voicemail_detected and call.settings.voicemail_action == VoicemailAction.HANGUP:
        return HangupCause.VOICEMAIL
    seconds_ago = (timezone.now() - event.occurred_at).total_seconds()
    commands.after_commit(tell_session, call.pk, GreetingEnded(seconds_ago))
    return cause


def on_screening_detected(call: Call, event: CarrierEvent) -> str:
    """What looked like a machine is a phone that asks who is calling. Nobody has joined until a person is reported."""
    if call.screened:
        return ""
    call.screened, call.voicemail_detected = Screened.DECLINED, False
    call.save(update_fields=["screened", "voicemail_detected"])
    timeline.add_event(call.pk, "screening.detected", "telephony", at=event.occurred_at)
    later = _reports(call, CarrierEventType.MACHINE_DETECTED).filter(occurred_at__gt=event.occurred_at)
    if joined := later.filter(detail="human").first():
        _join(call, at=joined.occurred_at)
    elif not call.is_over:
        commands.after_commit(tell_session, call.pk, ScreeningDetected())
    return ""


def _on_verdict_after_screening(call: Call, event: CarrierEvent) -> str:
    if call.screened == Screened.ACCEPTED or not _is_after_screening(call, event.occurred_at):
        return ""
    if event.detail == "machine":
        return HangupCause.VOICEMAIL  # the owner let it go to voicemail, for which there is no message
    _join(call, at=event.occurred_at)
    return ""


def _is_after_screening(call: Call, moment: datetime) -> bool:
    return _reports(call, CarrierEventType.SCREENING_DETECTED).filter(occurred_at__lt=moment).exists()


def _join(call: Call, *, at: datetime) -> None:
    call.screened = Screened.ACCEPTED
    call.save(update_fields=["screened"])
    timeline.add_event(call.pk, "screening.answered", "telephony", at=at)
    commands.after_commit(tell_session, call.pk, PersonAnswered())
