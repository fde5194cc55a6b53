"""From a call's row to a running conversation and back: the seam between the database and `calls.session`."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from channels.layers import get_channel_layer
from django.db import close_old_connections, transaction
from django.utils import timezone

from accounts import webhooks
from accounts.webhooks import SigningKeys
from agents.configuration import CallConfig
from agents.models import FirstSpeaker, ModelKey
from agents.providers.base import SessionConfig
from agents.providers.registry import get_model
from agents.selectors import find_model
from agents.tools import build_toolset
from bubblyphone.core.crypto import decrypt, hash_secret
from bubblyphone.core.e164 import is_e164
from bubblyphone.core.errors import ApplicationError
from calls import lifecycle, live_control, transfers
from calls.answering import Answering
from calls.models import Call, CallStatus, CarrierEventRecord, Direction, HangupCause
from calls.recorder import Recorder
from calls.session import CallSession
from calls.session_parts import Limits, Observer, ToolRunner, TransferRequester
from calls.tool_calls import TelephoneTools, ToolWebhook, find_destination, no_tools
from calls.transport import MediaTransport
from phone_numbers.carriers.events import CarrierEventType

logger = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
# The carrier's report of a hang-up and the end of its stream come in no fixed order: this long one waits for the other.
HANGUP_REPORT_SECONDS = 4.0

R = TypeVar("R")
_threads = ThreadPoolExecutor(4, thread_name_prefix="live-call")


@dataclass(frozen=True, slots=True)
class LiveCall:
    """All that a session needs to know of its call, read once."""

    call_id: int
    config: CallConfig
    provider: str
    upstream_model: str
    api_key: str
    keys: SigningKeys | None
    developer_id: int
    signing_secret_id: int | None
    carrier_call_id: str | None  # none: a sandbox call
    variables: Mapping[str, str]
    detects_voicemail: bool


async def in_database(function: Callable[..., R], *arguments: Any, **options: Any) -> R:
    """Run a synchronous function that uses the database in a thread, away from the loop that carries audio."""

    def run() -> R:
        try:
            return function(*arguments, **options)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, run)


def claim_media_token(token: str, *, public_id: str | None = None) -> LiveCall | None:
    """Use up a media token; None if it is unknown, used or lapsed, or its call is over.

    `public_id` is a sandbox call's; without it the token must be a carrier call's.
    """
    with transaction.atomic():
        call = (
            Call.objects.select_for_update(of=("self",))
            .filter(media_token_hash=hash_secret(token), media_token_expires_at__gt=timezone.now(), public_id=public_id)
            .exclude(status__in=[CallStatus.COMPLETED, CallStatus.FAILED])
            .first()
        )
        if call is None:
            return None
        call.media_token_hash, call.session_seen_at = "", timezone.now()
        call.save(update_fields=["media_token_hash", "session_seen_at"])
    return load(call.pk)


def load(call_id: int) -> LiveCall:
    """Read a call for a session."""
    call = Call.objects.select_related("phone_number__signing_secret").get(pk=call_id)
    config = CallConfig.from_json(call.config)
    model = find_model(config.model_slug)
    key = ModelKey.objects.filter(pk=config.model_key_id).first() if config.model_key_id else None
    secret = call.phone_number.signing_secret if call.phone_number else None
    return LiveCall(
        call_id=call.pk,
        config=config,
        provider=model.provider if model else "",
        upstream_model=model.upstream_id if model else "",
        api_key=decrypt(key.encrypted) if key else "",
        keys=webhooks.signing_keys(secret) if secret else None,
        developer_id=call.developer_id,
        signing_secret_id=secret.pk if secret else None,
        carrier_call_id=call.carrier_call_id,
        variables=call.dynamic_variables,
        detects_voicemail=call.direction == Direction.OUTBOUND and not call.sandbox,
    )


async def hold(live: LiveCall, transport: MediaTransport, observer: Observer | None = None) -> str:
    """Run the conversation of a call over a media connection until it ends; returns why ("": the caller's side ended)."""
    recorder = Recorder(live.call_id)
    session = CallSession(
        transport=transport,
        model=await in_database(get_model, live.provider),  # may import an SDK, which takes seconds
        config=_session_config(live, transport),
        greeting=live.config.greeting_message,
        limits=Limits(max_duration=live.config.max_call_duration, silence=live.config.silence_timeout),
        run_tool=_tool_runner(live),
        observer=observer or recorder,
        answering=Answering(detects=live.detects_voicemail),
        request_transfer=_transfer_requester(live),
        agent_begins=live.config.first_speaker == FirstSpeaker.AGENT,
    )
    with _registered(live.call_id):
        control = asyncio.create_task(_obey(live.call_id, session, detects_voicemail=live.detects_voicemail))
        try:
            cause = await session.run()
        finally:
            control.cancel()
    await recorder.drained()
    return cause


def _session_config(live: LiveCall, transport: MediaTransport) -> SessionConfig:
    config = live.config
    return SessionConfig(
        upstream_model=live.upstream_model,
        instructions=config.system_prompt,
        caller_format=transport.audio_format,
        voice=config.voice,
        language=config.language,
        tools=build_toolset(config, on_telephone=live.carrier_call_id is not None),
        api_key=live.api_key,
    )


def _tool_runner(live: LiveCall) -> ToolRunner:
    webhook: ToolRunner = no_tools
    if live.config.tool_webhook_url and live.keys is not None and live.signing_secret_id is not None:
        webhook = ToolWebhook(
            call_id=live.call_id,
            url=live.config.tool_webhook_url,
            keys=live.keys,
            developer_id=live.developer_id,
            signing_secret_id=live.signing_secret_id,
            variables=live.variables,
        )
    return TelephoneTools(live.carrier_call_id, webhook) if live.carrier_call_id else webhook


def _transfer_requester(live: LiveCall) -> TransferRequester | None:
    if live.carrier_call_id is None:
        return None
    route = None
    if live.config.tool_webhook_url and isinstance(runner := _tool_runner(live), TelephoneTools):
        route = runner

    async def request(arguments: Mapping[str, Any]) -> str:
        to = await find_destination(route, live.config.transfer_number, arguments)
        if not is_e164(to):
            return "No number is known to hand this call over to."
        return await in_database(request_transfer, live.call_id, to)

    return request


def request_transfer(call_id: int, to: str) -> str:
    """The model wants a call handed over. Returns why it cannot be, or ""."""
    try:
        with transaction.atomic():
            transfers.request(lifecycle.locked(call_id), to, source="streaming")
    except ApplicationError as error:
        return f"The call cannot be handed over to {to}: {error.message}"
    return ""


def known_verdict(call_id: int) -> str:
    """Whether a person or a machine has answered an outbound call: "human", "machine", or "" while nobody knows."""
    call = Call.objects.get(pk=call_id)
    if call.voicemail_detected:
        return "machine"
    reports = CarrierEventRecord.objects.filter(
        carrier_call_id=call.carrier_call_id, event_type=CarrierEventType.MACHINE_DETECTED
    )
    return reports.values_list("detail", flat=True).first() or ""


async def after_session(call_id: int, cause: str) -> None:
    """A carrier call's session is over: hang up, unless the carrier has ended the call and says so, or others talk on."""
    if cause == HangupCause.TRANSFERRED:
        return
    if cause:
        await in_database(lifecycle.end_call, call_id, cause)
        return
    await asyncio.sleep(HANGUP_REPORT_SECONDS)
    await in_database(lifecycle.end_call, call_id, HangupCause.CARRIER_FAILED)


# --- what reaches a live session from other processes -----------------------------------------------------------------


async def _obey(call_id: int, session: CallSession, *, detects_voicemail: bool) -> None:
    """Listen to the call's group in the channel layer."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    group = live_control.session_group(call_id)
    await layer.group_add(group, channel)
    try:
        if detects_voicemail and (verdict := await in_database(known_verdict, call_id)):
            # It was reported while this session was coming to be.
            if verdict == "machine":
                await session.met_machine()
            else:
                session.answering.person()
        while True:
            message: Mapping[str, Any] = await layer.receive(channel)
            match message["type"]:
                case "session.end":
                    session.end(message["cause"])
                case "session.transfer_begun":
                    session.transfer_begun()
                case "session.transfer_failed":
                    await session.transfer_failed(message["reason"])
                case "session.person":
                    session.answering.person()
                case "session.machine":
                    await session.met_machine()
                case "session.greeting_ended":
                    session.answering.greeting_ended()
                case "session.context":
                    await _answer(message, done=await session.inject_context(message["text"]))
                case "session.speak":
                    await _answer(message, done=await session.speak(message["text"]))
    finally:
        with contextlib.suppress(OSError):
            await layer.group_discard(group, channel)


async def _answer(message: Mapping[str, Any], *, done: bool) -> None:
    await in_database(live_control.answer, message["answer_key"], done=done)


# --- signs of life ----------------------------------------------------------------------------------------------------

_live_calls: set[int] = set()
_heart: asyncio.Task[None] | None = None


@contextlib.contextmanager
def _registered(call_id: int) -> Iterator[None]:
    """While a session lives its call's row says so, so that a process that dies leaves calls that look dead."""
    global _heart
    _live_calls.add(call_id)
    if _heart is None or _heart.done() or _heart.get_loop() is not asyncio.get_running_loop():
        _heart = asyncio.create_task(_beat())
    try:
        yield
    finally:
        _live_calls.discard(call_id)


async def _beat() -> None:
    while _live_calls:
        try:
            await in_database(_touch, list(_live_calls))
        except Exception:
            logger.exception("Could not write the sign of life of running calls.")
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _touch(call_ids: list[int]) -> None:
    Call.objects.filter(pk__in=call_ids).update(session_seen_at=timezone.now())
