"""Accounts at Twilio: credentials, numbers, calls, and the error log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.exchange.state import Record, State
from sandbox.exchange.switch import Switch
from sandbox.exchange.twilio.callbacks import CallbackQueue, Callbacks
from sandbox.exchange.twilio.twiml import Source
from sandbox.exchange.twilio.values import account_path, new_sid, now, rfc2822

if TYPE_CHECKING:
    from sandbox.exchange.twilio.calls import Call
    from sandbox.exchange.twilio.conferences import Conference
    from sandbox.exchange.twilio.recordings import CallRecording


class Interpreter(Protocol):
    """Runs TwiML on a call."""

    async def __call__(self, call: "Call", source: Source, *, ends_call: bool = True) -> None: ...


@dataclass(slots=True, eq=False)
class Account:
    """One account. `base_url` is the URL of the API, which recording URLs in callbacks start with."""

    sid: str
    auth_token: str
    base_url: Callable[[], str]
    state: State
    switch: Switch
    callbacks: Callbacks
    interpreter: Interpreter
    calls: dict[str, "Call"] = field(default_factory=dict)
    past_calls: dict[str, Record] = field(default_factory=dict)
    recordings: dict[str, "CallRecording"] = field(default_factory=dict)
    conference_callbacks: CallbackQueue = field(default_factory=CallbackQueue)
    conferences: dict[str, "Conference"] = field(default_factory=dict)
    notifications: list[Record] = field(default_factory=list)

    @property
    def path(self) -> str:
        return account_path(self.sid)

    def numbers(self) -> list[Record]:
        """The IncomingPhoneNumbers of this account, newest first."""
        owned = [row for row in self.state.incoming_phone_numbers.values() if row["account_sid"] == self.sid]
        return owned[::-1]

    def owns(self, number: str) -> bool:
        return self.state.incoming_phone_numbers.get(number, {}).get("account_sid") == self.sid

    def file_away(self, call: "Call") -> None:
        """Keep only the resource of a call that has ended."""
        self.past_calls[call.sid] = self.calls.pop(call.sid).describe()

    def call_resources(self) -> list[Record]:
        """All Call resources, newest first."""
        return [*(call.describe() for call in reversed(self.calls.values())), *reversed(self.past_calls.values())]

    def send(self, queue: CallbackQueue, url: str, method: str, params: dict[str, str]) -> None:
        """Send a signed callback in the background. Does nothing without a URL."""
        self.callbacks.send(queue, self.auth_token, url, method, params)

    def notify(self, call_sid: str, code: int, text: str) -> None:
        """Add an entry to the account's error log, which the platform can read as Notifications."""
        moment = rfc2822(now())
        sid = new_sid("NO")
        about: dict[str, Any] = {
            "sid": sid,
            "account_sid": self.sid,
            "call_sid": call_sid,
            "api_version": "2010-04-01",
            "log": "0",
            "error_code": str(code),
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "message_text": text,
            "message_date": moment,
            "date_created": moment,
            "date_updated": moment,
            "request_method": None,
            "request_url": None,
            "uri": f"{self.path}/Notifications/{sid}.json",
        }
        self.notifications.insert(0, about)
