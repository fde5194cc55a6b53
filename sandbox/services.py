"""Talking to an agent from a browser: no phone line, so no telephony charge."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import ApiKey, Developer
from accounts.selectors import require_active
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.providers.registry import expect_sessions
from agents.selectors import running_slug
from agents.versions import answering_version
from bubblyphone.core.crypto import hash_secret, make_secret
from bubblyphone.core.errors import Conflict, Forbidden, InvalidRequest
from bubblyphone.core.money import ZERO
from calls import timeline
from calls.charging.admission import admit
from calls.charging.call_prices import model_price
from calls.control import call_variables
from calls.control.outbound import check_streaming
from calls.models import Call, CallStatus, Direction
from phone_numbers.models import CallMode, PhoneNumber

TOKEN_SECONDS = 30
DEMO_CALLS = 3
DEMO_PROMPT = (
    "You are the demo agent of BubblyPhone. BubblyPhone gives phone numbers to AI agents. "
    "A phone number costs three dollars a month in the United States. "
    "Inbound calls cost four cents a minute and outbound calls cost five cents a minute. "
    "You can bring your own OpenAI or Google key, and then the model costs nothing. "
    "To start, buy a number, write a prompt and call it. "
    "Keep answers short and friendly."
)


@dataclass(frozen=True, slots=True)
class SandboxCall:
    """A sandbox call that is waiting for its browser."""

    call: Call
    ws_url: str
    expires_in: int


def start_sandbox_call(
    *,
    developer: Developer,
    number: PhoneNumber,
    overrides: Mapping[str, Any],
    dynamic_variables: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    api_key: ApiKey | None = None,
) -> SandboxCall:
    """Start a test call to a number's agent. The model is billed as in any call.

    Raises InvalidRequest (the number is not in streaming mode, or cannot speak), Conflict (suspended), InsufficientFunds.
    """
    if number.status != PhoneNumber.Status.ACTIVE:
        raise Conflict("This number is suspended and cannot receive calls.", code="number_suspended")
    if number.mode != CallMode.STREAMING:
        raise InvalidRequest({"phone_number_id": ["This number is not in streaming mode."]})
    config = resolution.answering(resolution.resolve(request=overrides, request_agent=None, number=number))
    given = dynamic_variables or {}
    call_variables.check(config, given)
    check_streaming(config)
    call = Call(
        developer=developer,
        phone_number=number,
        agent=number.agent,
        agent_version=answering_version(number),
        api_key=api_key,
        from_number="sandbox",
        to_number=number.e164,
        metadata=dict(metadata or {}),
        model_rate=model_price(config),
    )
    with transaction.atomic():
        return begin(call, config, given, is_free=False)


def start_demo_call(*, developer: Developer) -> tuple[SandboxCall, int]:
    """Start a free call to our demo agent. Also returns how many are left.

    Raises Forbidden after the last one, and before the email is confirmed. Raises InvalidRequest if no model is available.
    """
    if settings.EMAIL_HOST and developer.email_verified_at is None:
        raise Forbidden("Confirm your email address before you start a demo call.", code="email_not_confirmed")
    request = {"system_prompt": DEMO_PROMPT, "max_call_duration": 300}
    config = resolution.resolve(request=request, request_agent=None, number=None)
    check_streaming(config)
    with transaction.atomic():
        if not use_free_call(developer):
            raise Forbidden("Your free demo calls are used up.", code="demo_used_up")
        call = Call(developer=developer, from_number="sandbox", to_number="demo", demo=True, model_rate=ZERO)
        started = begin(call, config, {}, is_free=True)
    return started, free_calls_left(developer.pk)


def answer(call_id: int) -> None:
    """Mark a call as answered when its browser has connected."""
    now = timezone.now()
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        if call.is_over or call.answered_at is not None:
            return
        call.answered_at, call.status = now, CallStatus.ANSWERED
        call.save(update_fields=["answered_at", "status"])
        timeline.add_event(call.pk, "call.answered", "system", at=now)
        timeline.notify(call, "call.answered", at=now)


def use_free_call(developer: Developer) -> bool:
    """Use one of the account's free calls, which are for demo calls and agent tests. False if none are left."""
    left = Developer.objects.filter(pk=developer.pk, demo_calls_used__lt=DEMO_CALLS)
    return bool(left.update(demo_calls_used=F("demo_calls_used") + 1))


def free_calls_left(developer_id: int) -> int:
    used = Developer.objects.values_list("demo_calls_used", flat=True).get(pk=developer_id)
    return max(0, DEMO_CALLS - used)


def begin(call: Call, config: CallConfig, given: Mapping[str, str], *, is_free: bool) -> SandboxCall:
    """Start a call with its parties and rate set. Its browser has TOKEN_SECONDS to connect. Call it in a transaction.

    A free call needs no balance. Raises the errors of `calls.charging.admission.admit`.
    """
    now = timezone.now()
    token = make_secret()
    call.direction, call.mode, call.sandbox, call.carrier = Direction.INBOUND, CallMode.STREAMING, True, ""
    call.model_slug, call.config = running_slug(config.model_slug), config.to_json()
    call.recording_enabled = config.recording_enabled
    call.public_id, call.started_at = make_secret("sandbox_")[:24], now
    call.media_token_hash = hash_secret(token)
    call.media_token_expires_at = now + timedelta(seconds=TOKEN_SECONDS)
    if is_free:
        require_active(call.developer_id)
    else:
        admit(call)
    call.save()
    timeline.add_beginning(call, at=now)
    call_variables.put_in(call, config, given)
    expect_sessions()
    address = f"{settings.PUBLIC_WS_URL}/sandbox/ws/{call.public_id}?token={token}"
    return SandboxCall(call=call, ws_url=address, expires_in=TOKEN_SECONDS)
