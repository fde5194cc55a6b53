"""DTMF keys that the carrier has reported, for a session that starts after some of them."""

from django.utils import timezone

from calls.control.session_messages import KeyPressed
from calls.models import Call, CarrierEventRecord
from phone_numbers.carriers.carrier_events import CarrierEventType


def reported_keys(call_id: int) -> list[KeyPressed]:
    """All keys reported so far, oldest first."""
    call, now = Call.objects.get(pk=call_id), timezone.now()
    reports = CarrierEventRecord.objects.filter(
        carrier=call.carrier, carrier_call_id=call.carrier_call_id, event_type=CarrierEventType.DTMF
    )
    return [
        KeyPressed(report.event_id, report.detail, (now - report.occurred_at).total_seconds())
        for report in reports.order_by("occurred_at", "pk")
    ]
