"""What a live session hears on a line whose carrier does not report it: treated like a report of the carrier."""

import logging
from functools import partial

from django.db import DatabaseError
from django.utils import timezone

from calls.control import inbound
from calls.live.database_threads import in_database
from calls.live.live_call import LiveCall
from calls.session.screening import Overheard, ScreeningPlan
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType

logger = logging.getLogger(__name__)

KINDS: dict[Overheard, tuple[CarrierEventType, str]] = {
    "screening": (CarrierEventType.SCREENING_DETECTED, ""),
    "person": (CarrierEventType.MACHINE_DETECTED, "human"),
    "machine": (CarrierEventType.MACHINE_DETECTED, "machine"),
}


def screening_plan(live: LiveCall) -> ScreeningPlan:
    """For a phone that asks who is calling."""
    own = live.config.screening_message
    listens = live.detects_voicemail and live.overhears_screening
    return ScreeningPlan(own or live.introduction, is_ours=not own, report=partial(_report, live) if listens else None)


async def _report(live: LiveCall, heard: Overheard) -> None:
    kind, detail = KINDS[heard]
    event = CarrierEvent(
        type=kind,
        event_id=f"{live.call_id}:overheard:{heard}",
        carrier_call_id=live.carrier_call_id or "",
        occurred_at=timezone.now(),
        client_state=str(live.call_id),
        detail=detail,
        carrier=live.carrier,
    )
    try:
        await in_database(inbound.receive, event)
    except DatabaseError:  # the next words report it again
        logger.warning("Reporting what was heard on the line failed", exc_info=True)
