"""Calls over Twilio's REST API. What a running call does next is in its script, which Twilio fetches as TwiML.

Twilio has no idempotency key for creating calls, so each command is recorded before it is dialed. A repeated command looks for the call
that it created, by the mark in the callback URLs or in the list of calls, and dials only if there is none.
"""

import time
from datetime import datetime, timedelta

from phone_numbers.carriers.base import CarrierError, DialRequest, StreamSettings
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.twilio import call_scripts, given_commands, twiml
from phone_numbers.carriers.twilio.account import TwilioAccount
from phone_numbers.carriers.twilio.call_scripts import Script
from phone_numbers.carriers.twilio.client import refusals, sid_of

# Twilio's limits for ringing time and call duration, in seconds.
RING_LIMITS = (5, 600)
LENGTH_LIMITS = (30, 14400)
# How long to look for a call that may have been created, and how much the clocks may differ.
LOOK_SECONDS = 2.0
CLOCKS_DIFFER = timedelta(seconds=5)


class TwilioCalls(CallControl):
    """CallControl for an account."""

    account: TwilioAccount
    detects_voicemail = True
    takes_keys_as_sound = True

    def dial(self, request: DialRequest) -> str:
        address, state = self.account.address, request.client_state
        first: dict[str, object] = {"url": address("next", state=state), "method": "POST"}
        if request.stream is not None:
            # In the request itself, which saves a round trip after the answer.
            first = {"twiml": twiml.stream(request.stream.url, address("next", state=state))}
        if request.detect_voicemail:
            first |= {
                "machine_detection": "Enable",
                "async_amd": "true",
                "async_amd_status_callback": address("machine", state=state),
            }
        return self._create_once(request, first)

    def transfer(self, request: DialRequest, *, carrier_call_id: str) -> None:
        """A separate call, which moves the caller into a conference once it is answered. <Dial> would end their stream immediately."""
        joins = self.account.address("next", state=request.client_state, joins=carrier_call_id)
        self._create_once(request, {"url": joins, "method": "POST"})

    def _create_once(self, request: DialRequest, first: dict[str, object]) -> str:
        command, is_new = given_commands.begin(request.command_id)
        if command.result:
            return command.result
        if not is_new and (found := self._made_before(request, command.created_at)):
            return found
        mark = self.account.mark_of(request.command_id)
        try:
            with refusals():
                call = self.account.rest.calls.create(
                    to=request.to_number,
                    from_=request.from_number,
                    status_callback=self.account.address("status", state=request.client_state, mark=mark),
                    status_callback_event=["initiated", "ringing", "answered", "completed"],
                    status_callback_method="POST",
                    timeout=_within(request.timeout_seconds, RING_LIMITS),
                    time_limit=_within(request.time_limit_seconds, LENGTH_LIMITS),
                    **first,
                )
                made = sid_of(call)
        except CarrierError as error:
            if error.reason != "outcome_unknown":
                given_commands.forget(request.command_id)
                raise
            if found := self._look_for(request, command.created_at):
                return found
            raise
        given_commands.finish(request.command_id, made)
        return made

    def _made_before(self, request: DialRequest, since: datetime) -> str:
        """The call that an earlier attempt created. Raises CarrierError, which never means that none was created."""
        try:
            return self._find(request, since)
        except CarrierError as error:
            raise CarrierError(str(error), retryable=error.retryable, reason="outcome_unknown") from error

    def _look_for(self, request: DialRequest, since: datetime) -> str:
        deadline = time.monotonic() + LOOK_SECONDS
        while True:
            try:
                if found := self._find(request, since):
                    return found
            except CarrierError:
                pass  # the next attempt may succeed
            if time.monotonic() > deadline:
                return ""
            time.sleep(0.25)

    def _find(self, request: DialRequest, since: datetime) -> str:
        """The call that a command created: by its mark, otherwise a later call between the two numbers that no other command created."""
        command, _ = given_commands.begin(request.command_id)
        if command.result:
            return command.result
        earliest = since - CLOCKS_DIFFER
        with refusals():
            # Not filtered by time: a call that is still queued has no start time (Twilio's Call resource), and newest come first.
            calls = self.account.rest.calls.list(to=request.to_number, from_=request.from_number, limit=50)
        made = [
            str(call.sid)
            for call in calls
            if str(call.direction) == "outbound-api" and call.date_created and call.date_created >= earliest
        ]
        unknown = sorted(set(made) - given_commands.results_among(made))
        if unknown:
            given_commands.finish(request.command_id, unknown[0])
        # Its callback may have stored the call in the meantime; then that result stays.
        return given_commands.begin(request.command_id)[0].result

    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None:
        """Twilio requests a document for a ringing call every second; the next one answers it."""

        def accept(script: Script) -> None:
            script.is_answered, script.client_state = True, client_state
            if stream is not None and not script.is_live:
                script.stream = stream.url

        call_scripts.change(self.account.sid, carrier_call_id, accept)

    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        def refuse(script: Script) -> None:
            script.is_rejected = True

        call_scripts.change(self.account.sid, carrier_call_id, refuse)

    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        try:
            with refusals():
                self.account.rest.calls(carrier_call_id).update(status="completed")
        except CarrierError as error:
            if error.reason != "call_ended":
                raise

    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None:
        def connect(script: Script) -> None:
            script.stream = stream.url

        self.account.change(carrier_call_id, connect, is_due=lambda _: True)

    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        self.account.move(other_carrier_call_id, carrier_call_id)
        self.account.move(carrier_call_id, carrier_call_id)

    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None:
        """Not supported as a command: <Play digits> would end the call's stream. Keys are sent as audio (`takes_keys_as_sound`)."""
        raise CarrierError("Twilio takes keys as sound.", reason="unsupported")

    def is_alive(self, *, carrier_call_id: str) -> bool:
        return self.account.is_alive(carrier_call_id)


def _within(value: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], value))
