"""Routes calls between the platform's numbers, connected handsets, and test numbers."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.exchange import errors
from sandbox.exchange.amd import MachineDetection
from sandbox.exchange.audio.codecs import line_codec
from sandbox.exchange.bridging import Bridge
from sandbox.exchange.handsets.answerers import UNALLOCATED_NUMBER, UnattendedPhone, make_answerer
from sandbox.exchange.handsets.handset import Handset
from sandbox.exchange.legs import ExchangeContext, Leg
from sandbox.exchange.media_stream import StreamParams
from sandbox.exchange.recording import RecordParams
from sandbox.exchange.state import State
from sandbox.exchange.transcription import TranscriptionParams
from sandbox.exchange.webhooks import WebhookQueue

# How long a caller hears the ringback tone if the platform does nothing.
INBOUND_RING_SECONDS = 60.0
DEFAULT_RING_SECONDS = 30
# Telnyx provides the status of a call for ten minutes after its end.
KEEP_ENDED_SECONDS = 600.0
# The response to `dial` is sent before the first webhook about the call.
BEGIN_DELAY_SECONDS = 0.01


class Switch:
    """All legs and all handsets."""

    def __init__(self, context: ExchangeContext, state: State, webhook_url: str, connection_id: str) -> None:
        self.legs: dict[str, Leg] = {}
        self.handsets: dict[str, Handset] = {}
        self.context = context
        self.webhook_url = webhook_url
        self.connection_id = connection_id
        # Calls a number of the other protocol. None if the number does not exist there either.
        self.other_dialect: Callable[[Handset, str], Leg | None] = lambda handset, to_number: None
        self._state = state

    def attach(self, handset: Handset) -> Handset | None:
        """Connect a handset, so that its number rings. Returns the previous handset of the number, if any."""
        before = self.handsets.get(handset.number)
        self.handsets[handset.number] = handset
        return before

    def detach(self, handset: Handset) -> None:
        """Disconnect a handset, and hang up its call."""
        if self.handsets.get(handset.number) is handset:
            del self.handsets[handset.number]
        if handset.line is not None:
            handset.line.put_down()

    def call(self, handset: Handset, to_number: str) -> Leg | None:
        """A handset dials. None if the number does not exist, which is reported to the handset's `on_ended`."""
        if handset.line is not None:
            raise ValueError("The handset is in a call.")
        connection_id = self._state.connection_of(to_number)
        if connection_id != self.connection_id:
            other = self.other_dialect(handset, to_number)
            if other is None:
                handset.on_ended("not_found")
            return other
        leg = Leg(
            context=self.context,
            direction="incoming",
            handset=handset,
            from_number=handset.number,
            to_number=to_number,
            connection_id=connection_id,
            webhook_queue=WebhookQueue(self.webhook_url),
            on_end=self._forget_later,
        )
        self.legs[leg.call_control_id] = leg
        leg.begin(INBOUND_RING_SECONDS)
        return leg

    def dial(self, body: Mapping[str, Any]) -> Leg:
        """The platform dials. `body` is a valid dial command. Raises ApiError."""
        if body["connection_id"] != self.connection_id:
            raise errors.invalid("/connection_id", "The connection_id is not that of a call control application.")
        if self._state.connection_of(body["from"]) is None:
            raise errors.not_authorized("The source number is not one of this account.")
        leg = self._outgoing(body, from_number=body["from"], webhook_queue=self.webhook_queue(body))
        leg.client_state = body.get("client_state")
        leg.no_answer_cause = "no_answer" if body.get("retry_on_timeout") is False else "timeout"
        leg.stream_on_answer = StreamParams.from_command(body, line_codec(body["to"]))
        leg.transcribe_on_answer = self.transcription_on_answer(body)
        self._ring(leg, body)
        return leg

    def transfer(self, leg: Leg, body: Mapping[str, Any]) -> Leg:
        """Call someone for a live leg, and bridge both at the answer. Until then nothing changes for the leg.

        A ringing incoming call is answered when its transfer is answered. Raises ApiError.
        """
        from_number = body.get("from") or leg.to_number
        if from_number not in {leg.from_number, leg.to_number} and self._state.connection_of(from_number) is None:
            raise errors.not_authorized("The source number is not one of this account.")
        if leg.transfer_to is not None or (leg.direction == "outgoing" and leg.state == "ringing"):
            raise errors.invalid("/call_control_id", "The call is already being transferred, or is not answered.")
        webhook_queue = self.webhook_queue(body) if body.get("webhook_url") else leg.webhook_queue
        target = self._outgoing(body, from_number=from_number, webhook_queue=webhook_queue)
        target.client_state = body.get("target_leg_client_state")
        target.call_session_id = leg.call_session_id
        target.on_answer = lambda target: self._complete_transfer(leg, target, body)
        target.on_end = lambda target: self._transfer_ended(leg, target)
        leg.transfer_to = target
        self._ring(target, body)
        return target

    def _complete_transfer(self, leg: Leg, target: Leg, body: Mapping[str, Any]) -> None:
        leg.transfer_to = None
        if leg.state == "ringing":
            leg.answer()
        self.bridge(leg, target, body)

    def _transfer_ended(self, leg: Leg, target: Leg) -> None:
        if leg.transfer_to is target:
            leg.transfer_to = None
        self._forget_later(target)

    def bridge(self, leg: Leg, other: Leg, body: Mapping[str, Any]) -> None:
        """Connect two answered legs. This ends their announcements and earlier bridges."""
        if leg.bridge is not None and leg.bridge is other.bridge:
            leg.bridge.part()
        for each in (leg, other):
            if each.bridge is not None:
                each.bridge.leave(each)
            each.announcer.stop("all")
        is_parked = body.get("park_after_unbridge") == "self"
        Bridge(leg, other, is_first_parked=is_parked, has_dtmf=body.get("mute_dtmf") != "both")

    def _outgoing(self, body: Mapping[str, Any], *, from_number: str, webhook_queue: WebhookQueue) -> Leg:
        """A leg to the command's `to`, with the settings that dial and transfer share."""
        return Leg(
            context=self.context,
            direction="outgoing",
            handset=self.phone_at(body["to"]),
            from_number=from_number,
            to_number=body["to"],
            connection_id=self.connection_id,
            webhook_queue=webhook_queue,
            time_limit_seconds=body.get("time_limit_secs") or 14400,
            record_on_answer=RecordParams.from_answer(body),
            detection=_detection(body),
            caller_name=body.get("from_display_name") or "",
            on_end=self._forget_later,
        )

    def add(self, leg: Leg) -> None:
        """Add a leg of another protocol."""
        self.legs[leg.call_control_id] = leg
        leg.on_end = self._forget_later

    def _ring(self, leg: Leg, body: Mapping[str, Any]) -> None:
        self.legs[leg.call_control_id] = leg
        ring_seconds = body.get("timeout_secs") or DEFAULT_RING_SECONDS
        refusal = "not_found" if body["to"] == UNALLOCATED_NUMBER else ""
        asyncio.get_running_loop().call_later(BEGIN_DELAY_SECONDS, leg.begin, ring_seconds, refusal)

    def transcription_on_answer(self, body: Mapping[str, Any]) -> TranscriptionParams | None:
        """The transcription settings of dial and answer. Raises ApiError if there is no recognizer."""
        if not body.get("transcription"):
            return None
        if self.context.recognizer is None:
            raise errors.not_offered("/transcription")
        return TranscriptionParams.from_command(body.get("transcription_config") or {})

    def webhook_queue(self, body: Mapping[str, Any]) -> WebhookQueue:
        """The queue of a call's events, to the command's URL or else the application's."""
        policies = body.get("webhook_retries_policies") or {}
        retries_ms = {event: policy.get("retries_ms", []) for event, policy in policies.items()}
        return WebhookQueue(body.get("webhook_url") or self.webhook_url, retries_ms)

    def leg(self, call_control_id: str, *, status_if_unknown: int = 422) -> Leg:
        """A leg that is live, or ended less than ten minutes ago. Raises ApiError."""
        leg = self.legs.get(call_control_id)
        if leg is None:
            raise errors.unknown_call(status_if_unknown)
        return leg

    def live_leg(self, call_control_id: str) -> Leg:
        """A leg that accepts commands. Raises ApiError."""
        leg = self.leg(call_control_id)
        if leg.state == "ended":
            raise errors.call_ended()
        return leg

    def hang_up_all(self) -> None:
        """End all calls, because the exchange stops."""
        for leg in list(self.legs.values()):
            leg.end("normal_clearing", "unknown")

    def phone_at(self, number: str) -> Handset:
        """The phone at a number that does not belong to the platform."""
        return (
            self.handsets.get(number)
            or make_answerer(number, self.context.tasks, self.context.tts)
            or UnattendedPhone(number)
        )

    def _forget_later(self, leg: Leg) -> None:
        asyncio.get_running_loop().call_later(KEEP_ENDED_SECONDS, self.legs.pop, leg.call_control_id, None)


def _detection(body: Mapping[str, Any]) -> MachineDetection | None:
    mode = body.get("answering_machine_detection") or "disabled"
    if mode == "disabled":
        return None
    config = body.get("answering_machine_detection_config") or {}
    default_ms = 30000 if mode.startswith("premium") else 3500
    return MachineDetection(mode, config.get("total_analysis_time_millis", default_ms) / 1000)
