"""The carrier's reports about who answered an outbound call, for a session that starts after some of them."""

from dataclasses import dataclass

from django.utils import timezone

from calls.models import Call, CarrierEventRecord
from phone_numbers.carriers.carrier_events import CarrierEventType


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """`verdict` is "human", "machine", or "" while unknown; the greeting is a machine's."""

    verdict: str
    greeting_ended_seconds_ago: float | None


def reported(call_id: int) -> AnsweredBy:
    """As far as it is known by now."""
    call = Call.objects.get(pk=call_id)
    reports = CarrierEventRecord.objects.filter(carrier=call.carrier, carrier_call_id=call.carrier_call_id)
    verdicts = reports.filter(event_type=CarrierEventType.MACHINE_DETECTED).values_list("detail", flat=True)
    ended = reports.filter(event_type=CarrierEventType.MACHINE_GREETING_ENDED).order_by("occurred_at").first()
    return AnsweredBy(
        verdict="machine" if call.voicemail_detected else verdicts.first() or "",
        greeting_ended_seconds_ago=(timezone.now() - ended.occurred_at).total_seconds() if ended else None,
    )
