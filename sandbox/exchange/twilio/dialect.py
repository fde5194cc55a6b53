"""Puts the parts of Twilio's protocol together for the exchange's server."""

from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.exchange.faults import Faults
from sandbox.exchange.handsets.handset import Handset
from sandbox.exchange.legs import Leg
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.state import State
from sandbox.exchange.switch import INBOUND_RING_SECONDS, Switch
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.callbacks import Callbacks
from sandbox.exchange.twilio.calls import Call, StatusCallback
from sandbox.exchange.twilio.calls_api import CallsApi
from sandbox.exchange.twilio.conferences_api import ConferencesApi
from sandbox.exchange.twilio.http import make_middleware
from sandbox.exchange.twilio.interpreter import carry_out
from sandbox.exchange.twilio.numbers_api import NumbersApi, incoming_phone_number
from sandbox.exchange.twilio.recordings_api import RecordingsApi
from sandbox.exchange.twilio.twiml import Source


@dataclass(slots=True, eq=False)
class TwilioDialect:
    """`auth_tokens` are by AccountSid. Each account has its own numbers and sees only its own calls."""

    auth_tokens: InitVar[Mapping[str, str]]
    base_url: Callable[[], str]
    state: State
    switch: Switch
    callbacks: Callbacks
    store: RecordingStore
    accounts: dict[str, Account] = field(init=False)

    def __post_init__(self, auth_tokens: Mapping[str, str]) -> None:
        parts = (self.base_url, self.state, self.switch, self.callbacks, carry_out)
        self.accounts = {sid: Account(sid, token, *parts) for sid, token in auth_tokens.items()}
        self.switch.other_dialect = self.ring

    def routes(self) -> list[web.RouteDef]:
        parts = (CallsApi(), RecordingsApi(self.store), NumbersApi(self.state), ConferencesApi())
        return [each for part in parts for each in part.routes()]

    def middleware(self, faults: Faults) -> Middleware:
        return make_middleware(self.accounts, faults)

    def ring(self, handset: Handset, to_number: str) -> Leg | None:
        """A handset dials a number of one of the accounts. None for any other number."""
        row = self.state.incoming_phone_numbers.get(to_number)
        account = self.accounts.get(row["account_sid"]) if row else None
        if row is None or account is None or not row["voice_url"]:
            return None
        call = Call(
            account=account,
            direction="inbound",
            handset=handset,
            from_number=handset.number,
            to_number=to_number,
            phone_number_sid=row["sid"],
            callback=StatusCallback(row["status_callback"], row["status_callback_method"]),
            first=Source(
                row["voice_url"],
                row["voice_method"],
                fallback_url=row["voice_fallback_url"],
                fallback_method=row["voice_fallback_method"],
            ),
        )
        call.begin(INBOUND_RING_SECONDS)
        return call.leg

    def own(self, number: str, account_sid: str, **settings: str) -> None:
        """Give an account a number without a search and a purchase: a shortcut for tests."""
        row = incoming_phone_number(self.accounts[account_sid], number)
        self.state.incoming_phone_numbers[number] = row | settings
        self.state.save()
