"""One Twilio account: its REST client, its signatures, and the URLs that it reports to."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from twilio.request_validator import RequestValidator

from phone_numbers.carriers.base import CarrierError, InvalidSignature, WebhookRequest
from phone_numbers.carriers.twilio import call_scripts
from phone_numbers.carriers.twilio.call_scripts import Condition, Script
from phone_numbers.carriers.twilio.client import make_client, refusals, unreadable

# Twilio makes one attempt, unless the URL's fragment says otherwise. The fragment is neither sent nor signed:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIED = "rc=4&rp=all"
# The same for every attempt of a request; missing in requests that are not from Twilio.
TRY_HEADER = "i-twilio-idempotency-token"
# The lengths of CallScript and CarrierCommand; Twilio's ids have 34 characters.
ID = re.compile(r"[!-~]{0,64}")
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values
ALIVE = {"queued", "initiated", "ringing", "in-progress"}
OVER = {"completed", "busy", "failed", "no-answer", "canceled"}


class TwilioAccount:
    """`webhook_path` is the part of our URLs after /webhooks/ that leads to this account."""

    def __init__(self, account_sid: str, auth_token: str, base_url: str, webhook_path: str) -> None:
        self.sid = account_sid
        self.auth = (account_sid, auth_token)
        self.base_url = base_url
        self.rest = make_client(account_sid, auth_token, base_url)
        self._validator = RequestValidator(auth_token)
        self._prefix = f"{settings.PUBLIC_URL}/webhooks/{webhook_path}/"

    def address(self, name: str, **query: str) -> str:
        """The URL for one kind of request."""
        # Colons stay unescaped: the signed URL must be what every client in between would write, and some unescape colons.
        asked = urlencode({key: value for key, value in query.items() if value}, safe=":")
        return f"{self._prefix}{name}{f'?{asked}' if asked else ''}#{RETRIED}"

    def mark_of(self, command_id: str) -> str:
        """A signed name of a command for callbacks, because owners of other accounts can sign any URL here."""
        about = f"{self._prefix} {self.sid} {command_id}"
        return f"{command_id}.{salted_hmac('twilio.mark', about, algorithm='sha256').hexdigest()[:20]}"

    def command_of(self, mark: str) -> str:
        """The command of a mark of this account; empty for any other mark."""
        command_id = mark.rpartition(".")[0]
        return command_id if command_id and constant_time_compare(mark, self.mark_of(command_id)) else ""

    def route_of(self, request: WebhookRequest) -> tuple[str, dict[str, str]]:
        """The name and the query of one of our URLs."""
        path, _, query = request.url.partition("?")
        return path.removeprefix(self._prefix), QueryDict(query).dict()

    def token_of(self, request: WebhookRequest) -> str:
        """The token shared by all attempts of a request of Twilio; empty if missing. It is not signed, so it grants nothing."""
        token = next((value for name, value in request.headers.items() if name.lower() == TRY_HEADER), "")
        return token if ID.fullmatch(token) else ""

    def verified(self, request: WebhookRequest) -> dict[str, str]:
        """The parameters of a request, whose signature covers the public URL and all parameters. Raises InvalidSignature, ValueError.

        https://www.twilio.com/docs/usage/security#validating-requests
        """
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            form = QueryDict(request.body.decode())
        except UnicodeDecodeError as error:
            raise InvalidSignature("The signature does not match.") from error
        if not self._validator.validate(request.url, form, headers.get("x-twilio-signature", "")):
            raise InvalidSignature("The signature does not match.")
        params: dict[str, str] = form.dict()
        if params.get("AccountSid") != self.sid or not params.get("CallSid"):
            raise ValueError("Not a request about a call of this account.")
        self._check(params, self.route_of(request)[1])
        return params

    def _check(self, params: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Check that values can be stored, because the owner of an account can sign anything. Raises ValueError."""
        if not all(ID.fullmatch(text) for text in (params["CallSid"], *query.values())):
            raise ValueError("An id that Twilio does not give.")
        if any("\0" in text for text in params.values()):
            raise ValueError("A null character.")

    def is_alive(self, call_sid: str) -> bool:
        """Whether a call has not ended. Raises CarrierError."""
        try:
            with refusals():
                status = str(self.rest.calls(call_sid).fetch().status)
        except CarrierError as error:
            if error.reason == "call_ended":
                return False
            raise
        if status not in ALIVE | OVER:
            raise unreadable()
        return status in ALIVE

    def change(self, call_sid: str, edit: Callable[[Script], None], *, is_due: Condition) -> None:
        """Edit a call's script and, if it `is_due` then, have Twilio fetch the next document now. Raises CarrierError.

        Before the answer Twilio fetches documents on its own. Steps that follow each other share a document: a second one would cut off
        the first, and with it what the caller is saying. A call in a conference gets none: it would leave, and the conference would end.
        """
        asked_at = ""

        def claim(script: Script) -> None:
            nonlocal asked_at
            edit(script)
            if script.is_live and not script.is_in_room and is_due(script) and not script.is_being_asked:
                script.asked_at = asked_at = timezone.now().isoformat()

        script = call_scripts.change(self.sid, call_sid, claim)
        if not asked_at:
            return
        try:
            with refusals():
                self.rest.calls(call_sid).update(url=self.address("next", state=script.client_state), method="POST")
        except CarrierError:
            call_scripts.change(self.sid, call_sid, lambda script: script.withdraw(asked_at))
            raise

    def move(self, call_sid: str, room: str) -> None:
        """Move a call into the conference with that name. Raises CarrierError."""

        def enter(script: Script) -> None:
            script.room, script.listens, script.to_say = room, False, []

        self.change(call_sid, enter, is_due=lambda _: True)
