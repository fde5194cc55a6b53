"""`call.report`: everything about a call in one event, once its recording, transcript and analysis are ready or given up."""

import logging
import math
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from bubblyphone.core.api.views import format_time
from calls import diagnosis
from calls.after_call import recording_access, transcription
from calls.api.responses import CALL_DETAIL, DIAGNOSIS, SPOKEN
from calls.clock.repetition import repeat
from calls.models import AfterCallWork, Analysis, Call, Recording, Transcription
from webhooks import outbox

logger = logging.getLogger(__name__)
EVENT = "call.report"
PERIOD_SECONDS = 2.0
# The report is sent after this time at the latest, whatever is still missing.
GIVE_UP_AFTER = timedelta(minutes=10)
AT_ONCE = 200
PERCENTILES = {"median_ms": 0.5, "p95_ms": 0.95}


async def run() -> None:
    """A task of the clock: send reports until canceled."""
    await repeat(send_due, PERIOD_SECONDS, "Sending call reports failed")


def send_due(now: datetime | None = None) -> None:
    """Report every call that is complete or has waited long enough. A call that cannot be reported does not block the others."""
    now = now or timezone.now()
    for call_id in _due(now).order_by("ended_at").values_list("pk", flat=True)[:AT_ONCE]:
        try:
            _send(call_id, now)
        except (OperationalError, InterfaceError):  # database errors, not specific to this call
            raise
        except Exception:
            logger.exception("Reporting a call failed", extra={"call_id": call_id})


@transaction.atomic
def _send(call_id: int, now: datetime) -> None:
    found = Call.objects.filter(pk=call_id, reported_at=None)
    call = found.select_for_update(of=("self",), skip_locked=True).first()
    if call is not None and (_is_late(call, now) or not transcription.is_expected(call)):
        call.reported_at = now
        call.save(update_fields=["reported_at"])
        _publish(call, now)


def _due(now: datetime) -> QuerySet[Call]:
    pending = {"status": AfterCallWork.Status.PENDING}
    is_complete = Q(transcript_announced=True, settled_at__isnull=False)
    for kind in (Recording, Transcription, Analysis):
        is_complete &= ~Q(pk__in=kind.objects.filter(**pending).values("call_id"))
    return Call.objects.ended().filter(reported_at=None).filter(is_complete | Q(ended_at__lt=now - GIVE_UP_AFTER))


def _is_late(call: Call, now: datetime) -> bool:
    return call.ended_at is not None and call.ended_at < now - GIVE_UP_AFTER


def _publish(call: Call, now: datetime) -> None:
    """To the account's endpoints only. An account that is being deleted gets no more reports."""
    if call.developer.closed_at is not None:
        return
    outbox.publish(
        developer_id=call.developer_id,
        subject=f"call:{call.pk}",
        event_type=EVENT,
        payload={
            "event": EVENT,
            "call_id": str(call.pk),
            "call": CALL_DETAIL.of(call),
            "transcript": [SPOKEN.of(entry) for entry in call.transcript.all()],
            "analysis": call.analysis_result,
            "recording_url": _recording_url(call),
            "answer_times": _answer_times(call),
            "diagnosis": DIAGNOSIS.of(diagnosis.explain(call)),
            "dynamic_variables": call.dynamic_variables,
            "metadata": call.metadata,
            "timestamp": format_time(now),
        },
    )


def _recording_url(call: Call) -> str | None:
    recording = recording_access.playable_recording(call)
    return recording_access.report_url(recording).url if recording else None


def _answer_times(call: Call) -> dict[str, Any]:
    """In milliseconds: median and 95th percentile."""
    times = sorted(call.turns.values_list("total_ms", flat=True))
    ranks = {name: times[math.ceil(part * len(times)) - 1] if times else None for name, part in PERCENTILES.items()}
    return {"count": len(times), **ranks}
