"""Twilio as the carrier: REST, TwiML, callbacks and Media Streams.

`client` speaks REST, `call_scripts` stores the next steps of each call, `given_commands` the commands, `twiml` writes documents, `webhooks`
parses requests, and `media_protocol` the audio socket. This module turns requests into events and responds with documents.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from django.utils import timezone

from bubblyphone.core.network.waiting import before_waiting
from phone_numbers.carriers.base import Carrier, CarrierError, WebhookRequest, WebhookResponse
from phone_numbers.carriers.capabilities import OwnAccounts
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.twilio import call_scripts, given_commands, twiml, webhooks
from phone_numbers.carriers.twilio.account import TwilioAccount
from phone_numbers.carriers.twilio.call_scripts import Piece, Script
from phone_numbers.carriers.twilio.calls import TwilioCalls
from phone_numbers.carriers.twilio.client import refusals, unreadable
from phone_numbers.carriers.twilio.media_protocol import TwilioMediaProtocol
from phone_numbers.carriers.twilio.numbers import TwilioNumbers
from phone_numbers.carriers.twilio.speech import TwilioRecording, TwilioSpeech

logger = logging.getLogger(__name__)
# How long a request for a document waits for the platform's decision; after that the call continues to ring, or waits.
DECISION_SECONDS = 1.5
FIRST_ORDERS_SECONDS = 0.5
# Commands that belong together arrive within this time.
SETTLING_SECONDS = 0.05
# How often a script is read: often at first, because most decisions take less than 0.1 s.
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.1
DOCUMENTS = {"voice", "next", "heard"}


class TwilioCarrier(Carrier, TwilioCalls, TwilioSpeech, TwilioRecording, TwilioNumbers, OwnAccounts):
    """One account. `webhook_path` is the part of our webhook URLs that leads to it."""

    media_protocol = TwilioMediaProtocol
    forged_status = 403
    required_credentials = ("account_sid", "auth_token")
    fixed_credentials = ("account_sid",)
    credential_formats = {"account_sid": (re.compile("AC[0-9a-f]{32}"), "AC and 32 hexadecimal digits")}

    def __init__(self, *, account_sid: str, auth_token: str, base_url: str, webhook_path: str = "twilio") -> None:
        self.account = TwilioAccount(account_sid, auth_token, base_url, webhook_path)

    def complete_credentials(self) -> Mapping[str, str]:
        try:
            with refusals():
                found = self.account.rest.api.accounts(self.account.sid).fetch()
        except CarrierError as error:
            if error.reason == "call_ended":  # 404: the account does not exist
                raise CarrierError(str(error), reason="unauthorized") from error
            raise
        if found.sid != self.account.sid:
            raise unreadable()
        if found.status != "active":
            raise CarrierError("The account is not active at Twilio.", reason="incomplete")
        return {}

    # --- requests -----------------------------------------------------------------------------------------------------

    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        params = self.account.verified(request)
        name, query = self.account.route_of(request)
        if command_id := self.account.command_of(query.get("mark", "")):
            given_commands.finish(command_id, params["CallSid"])
        try:
            return tuple(self._events(name, query, params, self.account.token_of(request)))
        except KeyError as error:
            raise ValueError("Not a request of Twilio's about a call.") from error

    def _events(self, name: str, query: dict[str, str], params: dict[str, str], token: str) -> Iterator[CarrierEvent]:
        sid, state = params["CallSid"], query.get("state", "")
        match name:
            case "voice":
                call_scripts.change(self.account.sid, sid, _note_inbound)
                yield webhooks.incoming(params)
            case "next" | "heard":
                if not call_scripts.read(self.account.sid, sid).has_answered(token):
                    yield from self._ended_document(query, params)
            case "status":
                if params.get("CallStatus") == "in-progress":
                    call_scripts.change(self.account.sid, sid, _note_live)
                yield from webhooks.status(params, state)
            case "partial":
                number = query.get("n", "")
                script = call_scripts.change(self.account.sid, sid, lambda script: _note_caller(script, number))
                if number == str(script.number):  # a late one would interrupt the answer to its words
                    yield webhooks.caller_speaks(params, state)
            case "machine":
                yield webhooks.machine(params, state)
            case "recording":
                event = webhooks.recording(params, state)
                if event is not None:
                    yield event

    def _ended_document(self, query: dict[str, str], params: dict[str, str]) -> Iterator[CarrierEvent]:
        """Twilio requests the next document: the previous one is over, or was interrupted because we had new steps."""
        sid, state, number = params["CallSid"], query.get("state", ""), query.get("n", "")
        before = Script()

        def note(script: Script) -> None:
            nonlocal before
            before = replace(script, saying=list(script.saying))
            is_over = number == str(script.number)
            if script.saying and not is_over and not (script.room or script.stream):
                script.to_say = script.saying + script.to_say  # interrupted without new steps: say it again
                before.saying = []
            script.saying = []
            script.asked_at = timezone.now().isoformat()
            if joined := query.get("joins"):
                script.room = script.room or joined
            script.is_live = script.is_live or script.is_answered or not script.is_inbound

        script = call_scripts.change(self.account.sid, sid, note)
        if script.is_live and not before.is_live:
            yield webhooks.answered(params, state or script.client_state)
        yield from webhooks.spoken(
            sid, before.saying, before.saying_since, state, is_interrupted=number != str(before.number)
        )
        if "n" in query:
            yield from webhooks.heard(params, state, number)

    # --- documents ----------------------------------------------------------------------------------------------------

    def respond(self, request: WebhookRequest) -> WebhookResponse | None:
        """The call's next document, from its script after the events have been applied."""
        name, query = self.account.route_of(request)
        if name not in DOCUMENTS:
            return WebhookResponse(twiml.nothing(), twiml.CONTENT_TYPE)
        params = self.account.verified(request)
        sid = params["CallSid"]
        if (caller := query.get("joins")) and params.get("CallStatus") == "in-progress":
            self._fetch_caller(caller)
        document = self._document(sid, query.get("state", ""), self.account.token_of(request))
        return WebhookResponse(document, twiml.CONTENT_TYPE)

    def _fetch_caller(self, caller_sid: str) -> None:
        try:
            self.account.move(caller_sid, caller_sid)
        except CarrierError as error:
            # The caller follows anyway when the session ends their stream, or has hung up.
            logger.warning("A caller could not be moved to their transfer: %s", error)

    def _document(self, sid: str, state: str, token: str) -> str:
        script = self._decided(sid)
        if script.has_answered(token):
            return self._repeated(script, state, token)
        if script.is_rejected and not script.is_live:
            return twiml.refuse()
        following = self.account.address("next", state=state or script.client_state)
        if not script.is_live:
            return twiml.go_on(following) if script.is_answered else twiml.ring_on(following)
        if script.number == 0 and not self._wait(sid, lambda script: script.has_orders, FIRST_ORDERS_SECONDS).stream:
            before_waiting()
            time.sleep(SETTLING_SECONDS)
        document = ""

        def write(script: Script) -> None:
            nonlocal document
            script.number += 1
            script.asked_at = script.heard_at = ""
            document = self._written(script, state or script.client_state)
            if token:
                script.answered.append(token)
                script.document = document

        call_scripts.change(self.account.sid, sid, write)
        return document

    def _repeated(self, script: Script, state: str, token: str) -> str:
        """The response to a repeated request: the lost document, or a redirect to fetch what followed it."""
        if script.answered[-1] == token:
            return script.document
        return twiml.go_on(self.account.address("next", state=state or script.client_state))

    def _written(self, script: Script, state: str) -> str:
        """Take the next steps from the script and write them as a document."""
        script.hears = False
        following = self.account.address("next", state=state)
        if script.room:
            script.is_in_room = True
            return twiml.room(script.room)
        if script.stream and not script.to_say:
            url, script.stream = script.stream, ""
            return twiml.stream(url, following)
        # Another response already says it: Twilio follows the latest.
        pieces: list[Piece] = script.saying + script.to_say
        script.to_say, script.saying, script.saying_since = [], pieces, timezone.now().isoformat()
        number, script.hears = str(script.number), script.listens
        if script.listens:
            return twiml.listen(
                script,
                pieces,
                heard_url=self.account.address("heard", state=state, n=number),
                partial_url=self.account.address("partial", state=state, n=number),
            )
        if pieces:
            return twiml.speak(pieces, self.account.address("next", state=state, n=number))
        return twiml.wait(following, answers=script.is_inbound and script.number == 1)

    def _decided(self, sid: str) -> Script:
        """The script, once a ringing call is answered or refused, or after the maximum wait."""
        return self._wait(
            sid, lambda script: script.is_live or script.is_answered or script.is_rejected, DECISION_SECONDS
        )

    def _wait(self, sid: str, is_there: call_scripts.Condition, seconds: float) -> Script:
        deadline, pause = time.monotonic() + seconds, POLL_SECONDS
        while True:
            script = call_scripts.read(self.account.sid, sid)
            if is_there(script) or time.monotonic() > deadline:
                return script
            before_waiting()  # many calls may ring at the same time, each with a thread that waits here
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)


def _note_inbound(script: Script) -> None:
    script.is_inbound = True


def _note_caller(script: Script, number: str) -> None:
    if number == str(script.number):
        script.heard_at = timezone.now().isoformat()


def _note_live(script: Script) -> None:
    script.is_live = True
