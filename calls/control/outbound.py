"""Outbound calls: check, admit, dial. Inbound calls begin in `calls.control.inbound`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiKey, Developer
from agents import secrets
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.model_catalog import model_rules
from agents.models import Agent
from agents.selectors import running_slug
from agents.services import check_fallback_number
from agents.versions import answering_version
from billing import destinations
from bubblyphone.core.errors import Conflict, Forbidden, InvalidRequest, UpstreamFailed
from bubblyphone.core.money import ZERO
from calls import timeline
from calls.charging.admission import admit
from calls.charging.call_prices import model_price
from calls.control import call_variables, commands, fallback, lifecycle
from calls.models import Call, CallStatus, Direction, HangupCause
from calls.policy import gate
from phone_numbers import abilities
from phone_numbers.carriers.base import CarrierError, DialRequest
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode, PhoneNumber

RING_SECONDS = 30
# The carrier automatically ends the call this long after we should have.
CARRIER_LIMIT_SLACK_SECONDS = 60
# The number's settings that apply to a call between people. All others concern an agent.
SETTINGS_WITHOUT_AGENT = ("recording_enabled", "transcription_enabled", "max_call_duration", "max_cost_per_call")


def begin_call(
    *,
    developer: Developer,
    number: PhoneNumber,
    to: str,
    mode: str,
    request: Mapping[str, Any],
    agent: Agent | None,
    metadata: Mapping[str, str] | None = None,
    api_key: ApiKey | None = None,
    connect_to: str = "",
) -> Call:
    """Admit and store a call from `number`, for `dial`. With `connect_to`, no agent takes part (`calls.control.call_me_first`).

    `request` overrides settings. Raises Forbidden (policy), InsufficientFunds, TooManyRequests (caps), InvalidRequest, Conflict.
    """
    _refuse_inactive(number)
    variables: dict[str, str] = request.get("dynamic_variables") or {}
    is_streaming = mode == CallMode.STREAMING
    config = _checked_config(number, request, agent, is_streaming=is_streaming)
    if connect_to:
        config = _without_agent(config)
    now = timezone.now()
    call = _describe(number, config, agent, mode=mode, at=now)
    call.developer, call.api_key, call.to_number = developer, api_key, to
    call.dynamic_variables, call.metadata = variables, dict(metadata or {})
    if connect_to:
        call.agent, call.agent_version, call.connect_to = None, None, connect_to
    try:
        with transaction.atomic():
            secrets.check_tools(request.get("tools"), developer_id=developer.pk)
            admit(call)
            call.save()
            timeline.add_beginning(call, at=now)
            if is_streaming:
                call_variables.put_in(call, config, variables)
    except Forbidden as error:
        _keep_refused(call, error, now)
        raise
    return call


def _refuse_inactive(number: PhoneNumber) -> None:
    if number.status != PhoneNumber.Status.ACTIVE:
        what = "was released" if number.status == PhoneNumber.Status.RELEASED else "is suspended"
        raise Conflict(f"This number {what} and cannot place calls.")


def _without_agent(config: CallConfig) -> CallConfig:
    """The callee hears a short announcement that speech does not interrupt, and the call is not analyzed."""
    kept = {name: getattr(config, name) for name in SETTINGS_WITHOUT_AGENT}
    sources = {name: source for name, source in config.sources.items() if name in kept}
    return CallConfig(**kept, interruptible=False, greeting_message="", sources=sources)


def _describe(number: PhoneNumber, config: CallConfig, agent: Agent | None, *, mode: str, at: datetime) -> Call:
    """A call from that number with these settings, not saved."""
    is_streaming = mode == CallMode.STREAMING
    return Call(
        phone_number=number,
        carrier=number.carrier,
        agent=agent or number.agent,
        agent_version=agent.version if agent else answering_version(number),
        direction=Direction.OUTBOUND,
        from_number=number.e164,
        mode=mode,
        model_slug=running_slug(config.model_slug) if is_streaming else "",
        config=config.to_json(),
        recording_enabled=config.recording_enabled,
        started_at=at,
        model_rate=model_price(config) if is_streaming else ZERO,
    )


def _checked_config(
    number: PhoneNumber, request: Mapping[str, Any], agent: Agent | None, *, is_streaming: bool
) -> CallConfig:
    """The settings of a call. Raises InvalidRequest, and Forbidden for an invalid transfer number."""
    destinations.check_field("transfer_number", request.get("transfer_number"), developer_id=number.developer_id)
    check_fallback_number(request.get("fallback_number"), developer_id=number.developer_id)
    config = resolution.resolve(request=request, request_agent=agent, number=number)
    mode = CallMode.STREAMING if is_streaming else CallMode.WEBHOOK
    said = {name for name in ("screening_message",) if request.get(name)}
    refuse(abilities.call_problems(number.carrier, mode=mode, is_recorded=config.recording_enabled, said=said))
    if is_streaming:
        call_variables.check(config, request.get("dynamic_variables") or {})
        check_streaming(config)
    elif request.get("model") or request.get("model_key_id"):
        refuse(model_rules.call_problems(config))
    return config


def _keep_refused(call: Call, refusal: Forbidden, now: datetime) -> None:
    """Store a call that the policy refused, for the list of calls. Only its requester is notified."""
    if refusal.code not in gate.REASONS:
        return
    call.status, call.hangup_cause, call.refusal_reason = CallStatus.FAILED, HangupCause.REJECTED, refusal.code
    call.ended_at = call.settled_at = call.reported_at = now
    call.transcript_announced = True
    with transaction.atomic():
        call.save()
        timeline.add_beginning(call, at=now)
        timeline.add_event(call.pk, "call.refused", "system", at=now, reason=refusal.code, detail=refusal.message)


def check_streaming(config: CallConfig) -> None:
    """A streaming call needs a usable model and a prompt. Raises InvalidRequest."""
    refuse(resolution.problems(config, streaming=True) | model_rules.call_problems(config))


def refuse(found: Mapping[str, list[str]]) -> None:
    """Raises InvalidRequest with the API's field names if there are any problems."""
    if found:
        raise InvalidRequest({"model" if name == "model_slug" else name: texts for name, texts in found.items()})


def dial(call: Call, *, is_repeated: bool = False) -> None:
    """Have the carrier place a call stored by `begin_call`. A repeat sends the same command, which the carrier executes once.

    Raises UpstreamFailed if the carrier refuses: the call is then stored as failed.
    """
    try:
        carrier_call_id = _place_at_carrier(call)
    except CarrierError as error:
        if is_repeated:  # if a repeat is refused, the first attempt may still have succeeded
            error.reason = fallback.UNCERTAIN
        carrier_call_id = fallback.dial_instead(call, error, _place_at_carrier)
        if not carrier_call_id:
            lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED)
            raise UpstreamFailed(f"The carrier could not place the call: {error}") from error
    Call.objects.filter(pk=call.pk, carrier_call_id=None).update(carrier_call_id=carrier_call_id)
    call.refresh_from_db()


def _place_at_carrier(call: Call) -> str:
    """Have the call's carrier dial; returns its id of the call. Raises CarrierError."""
    is_streaming = call.mode == CallMode.STREAMING
    request = DialRequest(
        from_number=call.from_number,
        to_number=call.to_number,
        client_state=str(call.pk),
        command_id=commands.command_id(call, f"dial:{call.from_number}"),
        stream=commands.issue_media_token(call) if is_streaming else None,
        timeout_seconds=RING_SECONDS,
        time_limit_seconds=call.settings.max_call_duration + CARRIER_LIMIT_SLACK_SECONDS,
        detect_voicemail=is_streaming,
    )
    return get_carrier(call, CallControl).dial(request)
