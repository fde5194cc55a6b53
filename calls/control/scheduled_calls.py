"""Scheduled calls, each placed once: stored, canceled, and dialed by the clock (`calls.clock.due_calls`).

A row is settled in the transaction that admits its call, so there is at most one call for it. The command to the carrier follows the
commit; if it is lost with its process, it is repeated under the same id, which the carrier runs once.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts.models import Developer
from agents.models import Agent
from billing import destinations, ledger
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import ApplicationError, Conflict, InvalidRequest, UpstreamFailed
from calls.control import outbound
from calls.models import Call, CallStatus, ScheduledCall
from calls.policy import gate
from phone_numbers.models import CallMode, PhoneNumber

logger = logging.getLogger(__name__)
Status = ScheduledCall.Status
MAX_WAITING = 1_000  # per account
AT_ONCE = 100  # dialed concurrently
LATEST_IN = timedelta(days=366)
# If no clock was running for longer than this, the call would come at an unintended time.
MISSED_AFTER = timedelta(minutes=15)
COMMAND_LOST_AFTER = timedelta(seconds=5)


@transaction.atomic
def schedule(
    *,
    developer: Developer,
    number: PhoneNumber,
    to: str,
    agent: Agent | None,
    variables: Mapping[str, str],
    due_at: datetime,
    time_zone: str,
) -> ScheduledCall:
    """Schedule a call. Raises InvalidRequest, and Forbidden if the policy would refuse it at that time."""
    now = timezone.now()
    if not now < due_at <= now + LATEST_IN:
        raise InvalidRequest({"time": ["Choose a time in the future, within a year."]})
    ledger.lock_developer(developer.pk)
    destinations.rate_to(to, developer_id=developer.pk, at=now)
    gate.check(developer, to, now=due_at)
    if scheduled_of(developer).filter(status=Status.WAITING).count() >= MAX_WAITING:
        raise Conflict(f"You have {MAX_WAITING:,} scheduled calls. Cancel some first.")
    return ScheduledCall.objects.create(
        developer=developer,
        phone_number=number,
        agent=agent,
        has_own_agent=agent is not None,
        to_number=to,
        dynamic_variables=dict(variables),
        due_at=due_at,
        time_zone=time_zone,
    )


def scheduled_of(developer: Developer) -> QuerySet[ScheduledCall]:
    """The scheduled calls of an account, with related rows for a list."""
    return ScheduledCall.objects.filter(developer=developer).select_related(
        "phone_number", "phone_number__agent", "agent"
    )


def cancel(*, developer: Developer, pk: int) -> None:
    """Raises NotFound, and Conflict for a call that was already dialed or refused."""
    with transaction.atomic():
        row = get_row(ScheduledCall.objects.select_for_update(), developer=developer, pk=pk)
        if row.status not in (Status.WAITING, Status.CANCELED):
            raise Conflict("This call is already being dialed and can no longer be canceled.")
        _decide(row, Status.CANCELED, timezone.now())


def due(now: datetime) -> list[int]:
    """The ids of due calls: the oldest of each account, then the next of each, so that no account waits for all calls of another."""
    waiting = ScheduledCall.objects.filter(status=Status.WAITING, due_at__lte=now)
    turn = Window(RowNumber(), partition_by=F("developer"), order_by=("due_at", "pk"))
    in_turn = waiting.annotate(turn=turn).order_by("turn", "due_at", "pk")
    return list(in_turn.values_list("pk", flat=True)[:AT_ONCE])


def dial_due(pk: int, now: datetime) -> None:
    """Dial a due call, or record why not. If several processes try, one succeeds."""
    with transaction.atomic():
        waiting = ScheduledCall.objects.filter(pk=pk, status=Status.WAITING, due_at__lte=now)
        row = waiting.select_for_update(of=("self",), skip_locked=True).select_related("developer", "agent").first()
        if row is None:
            return
        try:
            row.call = _begin(row, now)
        except ApplicationError as error:
            _decide(row, Status.NOT_DIALED, now, error.code, error.full_message)
            return
        _decide(row, Status.DIALED, now)
    _dial(row.call)


def lost(now: datetime) -> QuerySet[Call]:
    """Calls whose command was lost with its process before the carrier knew of it, the oldest first."""
    return begun(now).filter(started_at__lt=now - COMMAND_LOST_AFTER).order_by("started_at", "pk")[:AT_ONCE]


def resume(call: Call) -> None:
    """Dial again a call that `lost` returned."""
    _dial(call, is_repeated=True)


def begun(now: datetime) -> QuerySet[Call]:
    """Scheduled calls that the carrier has not reported yet, while they may still be dialed."""
    return Call.objects.filter(
        scheduled__due_at__gt=now - MISSED_AFTER,
        status=CallStatus.INITIATED,
        carrier_call_id=None,
        end_requested_at=None,
    )


def _begin(row: ScheduledCall, now: datetime) -> Call:
    """The call, admitted under the current balance, limits and policy. Raises ApplicationError."""
    if row.due_at < now - MISSED_AFTER:
        raise Conflict("The server was not running at this time.", code="missed")
    if row.has_own_agent and row.agent is None:
        raise Conflict("The agent was deleted.", code="agent_deleted")
    number = PhoneNumber.objects.select_related("agent", "agent_version").get(pk=row.phone_number_id)
    return outbound.begin_call(
        developer=row.developer,
        number=number,
        to=row.to_number,
        mode=CallMode.STREAMING if row.agent else number.mode,
        request={"dynamic_variables": row.dynamic_variables},
        agent=row.agent,
    )


def _decide(row: ScheduledCall, status: str, now: datetime, reason: str = "", detail: str = "") -> None:
    row.status, row.decided_at, row.reason, row.detail = status, now, reason[:40], detail[:400]
    row.save(update_fields=["status", "decided_at", "reason", "detail", "call"])


def _dial(call: Call, *, is_repeated: bool = False) -> None:
    try:
        outbound.dial(call, is_repeated=is_repeated)
    except UpstreamFailed as error:  # the call has ended, and its page says why
        logger.warning("A scheduled call was not placed: %s", error.message, extra={"call_id": call.pk})
