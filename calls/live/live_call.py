"""Everything a session needs to know about its call, read from the database once."""

import math
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from agents import secrets
from agents.agent_settings.call_config import CallConfig
from agents.providers.base import Turn
from agents.tools.secret_tokens import SecretValues, names_in_tools
from bubblyphone.core.crypto import hash_secret
from calls import selectors
from calls.control import call_variables, media_nodes, speech, streams
from calls.live.engines import EngineChoice, engines_of
from calls.live.tool_calls import CallFacts, SigningIdentity
from calls.models import Call, Direction
from calls.session.conversation_history import HISTORY_TURNS, turn_of
from phone_numbers.carriers.registry import detects_screening
from webhooks.sending.signing import signing_keys


@dataclass(frozen=True, slots=True)
class LiveCall:
    """Everything a session needs to know about its call, read once."""

    call_id: int
    config: CallConfig
    model: EngineChoice
    fallback: EngineChoice | None  # the backup model
    developer_id: int
    signing_identity: SigningIdentity | None  # of its tool requests
    carrier: str
    carrier_call_id: str | None  # None for a sandbox call
    facts: CallFacts
    values: dict[str, str]  # all variables, which tools can extend
    secrets: SecretValues
    detects_voicemail: bool
    introduction: str  # for a phone that asks who is calling, if there is no `screening_message`
    overhears_screening: bool  # the carrier does not report such phones
    resumed_after: float | None  # seconds since the answer, if an earlier session has talked; otherwise None
    resume_reason: str  # why the earlier session ended (calls.control.streams)
    silent_for: float  # seconds since its last sound
    history: tuple[Turn, ...]  # its transcript
    to_say: tuple[str, ...]  # texts to speak that were requested before the answer
    streamless_for: float  # seconds since the caller last had a stream; infinite for the first stream
    is_text: bool = False  # written instead of spoken (calls.session.chat_session)


def claim_media_token(token: str, *, public_id: str | None = None) -> LiveCall | None:
    """Use up a media token; None if it is unknown, used or expired, or its call is over.

    `public_id` is a sandbox call's; without it the token must be a carrier call's.
    """
    with transaction.atomic():
        call = (
            Call.objects.select_for_update(of=("self",))
            .filter(media_token_hash=hash_secret(token), media_token_expires_at__gt=timezone.now(), public_id=public_id)
            .running()
            .first()
        )
        if call is None:
            return None
        lost_at = call.stream_lost_at
        call.media_token_hash, call.session_seen_at, call.stream_lost_at = "", timezone.now(), None
        call.media_node = media_nodes.OWN.name
        call.save(update_fields=["media_token_hash", "session_seen_at", "stream_lost_at", "media_node"])
    return load(call.pk, stream_lost_at=lost_at)


def load(call_id: int, *, stream_lost_at: datetime | None = None) -> LiveCall:
    """Read a call for a session. `stream_lost_at`: when the previous stream broke, if there was one and the time is known."""
    call = Call.objects.select_related("phone_number__signing_secret", "agent__signing_secret").get(pk=call_id)
    config = call.settings
    model, fallback = engines_of(call, config)
    secret = selectors.signing_secret_of(call)
    is_resumed = call.stream_restarts > 0 and call.events.filter(event_type="stream.connected").exists()
    resumed_after = (timezone.now() - (call.answered_at or call.started_at)).total_seconds() if is_resumed else None
    said = list(call.transcript.order_by("-spoken_at", "-id")[:HISTORY_TURNS]) if is_resumed else []
    return LiveCall(
        call_id=call.pk,
        config=config,
        model=model,
        fallback=fallback,
        developer_id=call.developer_id,
        signing_identity=SigningIdentity(signing_keys(secret), call.developer_id, secret.pk) if secret else None,
        carrier=call.carrier,
        carrier_call_id=call.carrier_call_id,
        facts=CallFacts(
            call_id=str(call.pk),
            from_number=call.from_number,
            to_number=call.to_number,
            direction=call.direction,
            variables=call.dynamic_variables,
            metadata=call.metadata,
        ),
        values=call_variables.values_of(call),
        secrets=secrets.values_of(call.developer_id, names_in_tools(config.tools)),
        detects_voicemail=call.direction == Direction.OUTBOUND and not call.sandbox,
        introduction=_introduction(call),
        overhears_screening=not call.sandbox and not detects_screening(call.carrier),
        resumed_after=resumed_after,
        resume_reason=streams.DEPLOY if call.stream_lost_reason == streams.DEPLOY else streams.SESSION_LOST,
        silent_for=selectors.silent_seconds(call) if is_resumed else 0.0,
        history=tuple(turn_of(entry.role, entry.text) for entry in reversed(said)),
        to_say=speech.take_waiting(call),
        streamless_for=_streamless_seconds(stream_lost_at) if is_resumed else math.inf,
        is_text=call.is_text,
    )


def _streamless_seconds(lost_at: datetime | None) -> float:
    return (timezone.now() - lost_at).total_seconds() if lost_at else 0.0


def _introduction(call: Call) -> str:
    """Who is calling and why, as far as it is known without a `screening_message`."""
    if call.agent is None:
        return f"This is a call from {call.from_number}."
    return f"This is {call.agent.name}. {call.agent.description}".strip()
