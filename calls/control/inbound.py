"""Inbound calls: which number was called, whether the call may be answered, and by whom."""

import logging
from datetime import datetime

from django.db import transaction

from accounts.selectors import refuse_deactivated
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.model_catalog import model_rules
from agents.models import AIModel
from agents.selectors import find_model, running_slug_of
from agents.versions import answering_version
from billing.selectors import find_rate
from bubblyphone.core.database.prepared_queries import PreparedQuery
from bubblyphone.core.errors import ApplicationError, Forbidden, TooManyRequests
from bubblyphone.core.money import ZERO
from calls import timeline
from calls.charging.admission import admit
from calls.charging.call_prices import price_of_model
from calls.control import call_variables, commands, lifecycle, lookup
from calls.control.lookup_reply import LookupOutcome
from calls.models import Call, CallStatus, Direction, HangupCause
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import CallMode, PhoneNumber

logger = logging.getLogger(__name__)


# At most one row: a number belongs to one account until it is released.
_CALLED_NUMBER = PreparedQuery(
    lambda e164, carrier: PhoneNumber.objects.select_related("agent", "agent_version", "developer").filter(
        e164=e164, carrier=carrier, status=PhoneNumber.Status.ACTIVE
    )
)


def receive(event: CarrierEvent) -> None:
    """Store a carrier's report and apply it, once, in one transaction."""
    with transaction.atomic():
        if event.type == CarrierEventType.CALLER_SPEAKS:
            lifecycle.apply_carrier_event(event)  # makes a repeat a no-op
            return
        if not lifecycle.store_carrier_event(event):
            return
        if event.type == CarrierEventType.INITIATED and event.direction == Direction.INBOUND:
            _begin(event)
        else:
            lifecycle.apply_carrier_event(event)


def _begin(event: CarrierEvent) -> None:
    if Call.objects.filter(carrier=event.carrier, carrier_call_id=event.carrier_call_id).exists():
        return  # the same call, reported with another event id
    number = next(iter(_CALLED_NUMBER.fetch(event.to_number, event.carrier)), None)
    if number is None:
        # The number is not ours: it was just released, or belongs to a shared carrier account. Reject the call and store nothing.
        commands.after_commit(commands.reject, event, event.carrier_call_id, event.event_id)
        return
    try:
        config = resolution.resolve(request={}, request_agent=None, number=number)
        model = find_model(config.model_slug) if number.mode == CallMode.STREAMING else None
        call = _describe(event, number, config, model)
    except ApplicationError:
        logger.exception("An inbound call has no rate", extra={"phone_number_id": number.pk})
        commands.after_commit(commands.reject, event, event.carrier_call_id, event.event_id)
        return
    refusal, call.refusal_reason = _refusal(call, number, config, model)
    call.save()
    timeline.add_beginning(call, at=event.occurred_at)
    will_ask = bool(call.settings.lookup_url) and not refusal
    if call.mode == CallMode.STREAMING and not refusal and not will_ask:
        call_variables.put_in(call, call.settings, {})
    if refusal:
        _refuse(call, refusal, at=event.occurred_at)
        return
    _tell_that_it_rings(call, at=event.occurred_at)
    if lifecycle.replay_carrier_events(call):
        call.refresh_from_db()
    if call.is_over or call.hangup_reported_at is not None:
        return
    if will_ask:
        lookup.begin(call, finish_lookup)
    elif call.mode == CallMode.STREAMING:
        commands.after_commit(answer, call)


def _tell_that_it_rings(call: Call, *, at: datetime) -> None:
    timeline.add_event(call.pk, "call.ringing", "telephony", at=at)
    timeline.notify(
        call,
        "call.incoming",
        at=at,
        wants_reply=call.mode == CallMode.WEBHOOK,
        phone_number_id=str(call.phone_number_id),
        **{"from": call.from_number, "to": call.to_number},
        direction="inbound",
    )


def _refuse(call: Call, cause: str, *, at: datetime) -> None:
    timeline.add_event(call.pk, "call.refused", "system", at=at, reason=call.refusal_reason)
    call.end_requested_at, call.end_requested_cause = at, cause
    lifecycle.finish(call, ended_at=at, cause=cause)
    commands.after_commit(commands.reject, call, call.carrier_call_id, commands.command_id(call, "reject"))


def finish_lookup(call_id: int, outcome: LookupOutcome) -> str:
    """Continue a call that waited for a lookup, once. Returns the problem with the reply, for its author."""
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        if not call.lookup_pending:
            return ""
        final = lookup.settle(call, outcome)
        if call.mode == CallMode.STREAMING and not call.is_over and call.end_requested_at is None:
            commands.after_commit(answer, call)
    return final.detail


def answer_again(call: Call) -> None:
    """Answer a call whose answer command was lost, perhaps with the process that waited for its lookup."""
    if call.lookup_pending:
        finish_lookup(call.pk, lookup.LOST)
    else:
        answer(call)


def answer(call: Call) -> None:
    """Have the carrier connect a call. A rejection ends it; `calls.clock.sweeper` retries after temporary failures."""
    try:
        commands.answer(call)
    except CarrierError as error:
        logger.warning("The carrier could not answer a call: %s", error, extra={"call_id": call.pk})
        if not error.retryable and error.reason != "call_ended":
            lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED)


def _describe(event: CarrierEvent, number: PhoneNumber, config: CallConfig, model: AIModel | None) -> Call:
    """The call as it arrived, not saved. `model` is the one of the configuration, which may be retired."""
    return Call(
        developer=number.developer,
        phone_number=number,
        agent=number.agent,
        agent_version=answering_version(number),
        direction=Direction.INBOUND,
        from_number=event.from_number,
        to_number=event.to_number,
        mode=number.mode,
        model_slug=running_slug_of(model, config.model_slug) if number.mode == CallMode.STREAMING else "",
        config=config.to_json(),
        recording_enabled=config.recording_enabled,
        status=CallStatus.RINGING,
        started_at=event.occurred_at,
        carrier=event.carrier,
        carrier_call_id=event.carrier_call_id,
        telephony_rate=ZERO
        if number.is_billed_by_its_carrier
        else find_rate("inbound", number.e164, event.occurred_at),
        model_rate=price_of_model(model, config) if number.mode == CallMode.STREAMING else ZERO,
    )


def _is_unusable(config: CallConfig, model: AIModel | None) -> bool:
    return not config.model_slug or bool(model_rules.problems_of_model(model, config))


def _refusal(call: Call, number: PhoneNumber, config: CallConfig, model: AIModel | None) -> tuple[str, str]:
    """Why the call must not be answered: hangup cause and reason code. Both are empty if it may be."""
    try:
        refuse_deactivated(number.developer)  # checked before anything about the number is disclosed
        if number.mode == CallMode.WEBHOOK and not number.webhook_url:
            return HangupCause.WEBHOOK_FAILED, "no_webhook_url"
        if number.mode == CallMode.STREAMING and _is_unusable(config, model):
            return HangupCause.MODEL_FAILED, "model_unavailable"
        admit(call)
    except TooManyRequests as error:
        is_spam = error.code == "too_many_calls_from_caller"
        return HangupCause.REJECTED if is_spam else HangupCause.BUSY, error.code
    except Forbidden as error:
        return HangupCause.REJECTED, error.code
    except ApplicationError as error:
        return HangupCause.INSUFFICIENT_BALANCE, error.code
    return "", ""
