"""The exchange as a server: `async with Exchange(...)` in a test, `manage.py exchange` in its own process."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.exchange.audio.recognizer import Recognizer
from sandbox.exchange.audio.tts import Tts
from sandbox.exchange.faults import Faults
from sandbox.exchange.handsets.handset import Answerer, Handset
from sandbox.exchange.handsets.handsets_api import HandsetsApi
from sandbox.exchange.handsets.remote import HandsetSocket
from sandbox.exchange.handsets.scripted import Ring, ScriptedHandset, Step
from sandbox.exchange.http import make_middleware
from sandbox.exchange.legs import ExchangeContext, Leg
from sandbox.exchange.recording import SAVE_TASK
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.state import State
from sandbox.exchange.switch import Switch
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.telnyx.calls_api import CallsApi
from sandbox.exchange.telnyx.compliance_api import ComplianceApi
from sandbox.exchange.telnyx.numbers_api import NumbersApi, phone_number
from sandbox.exchange.twilio.callbacks import Callbacks
from sandbox.exchange.twilio.dialect import TwilioDialect
from sandbox.exchange.twilio.http import is_twilio
from sandbox.exchange.webhooks import WebhookQueue, WebhookSender

MAX_BODY_BYTES = 32 * 1024 * 1024
SHUTDOWN_SECONDS = 1.0
# For events that are not about a call: at its first start, the platform may take minutes before it accepts them.
ACCOUNT_RETRIES_MS = (500, 1000, 2000, 4000, 8000, 15000, 30000, 60000, 120000, 300000)


@dataclass(kw_only=True, eq=False)
class Exchange:
    """A carrier on loopback. With `port` 0 it chooses a free one. `private_key` is a 32-byte ed25519 seed.

    `twilio_accounts` are the auth tokens of accounts that use Twilio's protocol, by AccountSid.
    `tts` turns text into 8 kHz PCM16 for scripts that speak and
    for `speak`. `recognizer` is for `transcription_start`. Without a `recordings_folder`, recordings are deleted with the exchange.
    """

    api_key: str = field(default="exchange-key", repr=False)
    private_key: bytes = field(default_factory=partial(secrets.token_bytes, 32), repr=False)
    webhook_url: str = ""
    connection_id: str = "exchange"
    host: str = "127.0.0.1"
    port: int = 0
    state_path: Path | None = None
    tts: Tts | None = None
    recognizer: Recognizer | None = None
    recordings_folder: Path | None = None
    faults: Faults = field(default_factory=Faults)
    twilio_accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: State = field(init=False)
    _runner: web.AppRunner | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.state = State(self.state_path)

    async def start(self) -> None:
        """Listen. Raises OSError if the port is in use."""
        self.tasks = Tasks()
        # No proxy and no cookies, whatever the environment says: the platform is on this machine.
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        self._webhooks = WebhookSender(self.private_key, self._http, self.tasks, self.faults)
        self._recording_store = RecordingStore(self.recordings_folder, self.api_key, lambda: self.url)
        context = ExchangeContext(
            self._http, self._webhooks, self.tasks, self._recording_store, self.tts, self.recognizer
        )
        self.switch = Switch(context, self.state, self.webhook_url, self.connection_id)
        callbacks = Callbacks(self._http, self.tasks, self.faults)
        self.twilio = TwilioDialect(
            self.twilio_accounts, lambda: self.url, self.state, self.switch, callbacks, self._recording_store
        )
        numbers = NumbersApi(self.state, self.tasks, self._announce)
        compliance = ComplianceApi(self.state, self.tasks, numbers.continue_orders)
        app = web.Application(middlewares=[self._by_dialect], client_max_size=MAX_BODY_BYTES)
        calls, handsets, phones = CallsApi(self.switch), HandsetsApi(self.switch), HandsetSocket(self.switch)
        for part in (numbers, compliance, calls, self._recording_store, handsets, phones, self.twilio):
            app.add_routes(part.routes())
        # With handler_cancellation, a script hangs up when its `manage.py dial` is killed.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self.host, self.port)
            await site.start()
        except OSError:
            await self.stop()
            raise
        self.port = self._runner.addresses[0][1]
        numbers.continue_orders()

    async def stop(self) -> None:
        """Hang up all calls, cancel all tasks, close all sockets."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self.switch.hang_up_all()
        await self.tasks.settle(SAVE_TASK, SHUTDOWN_SECONDS)
        await self._webhooks.flush(SHUTDOWN_SECONDS)
        await self.twilio.callbacks.flush(SHUTDOWN_SECONDS)
        await self.tasks.close()
        await runner.cleanup()
        await self._http.close()
        self._recording_store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @web.middleware
    async def _by_dialect(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Authentication and refusals in the format of the requested API."""
        if is_twilio(request):
            return await self.twilio.middleware(self.faults)(request, handler)
        return await make_middleware(self.api_key, self.faults)(request, handler)

    # --- URLs ---------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """EXCHANGE_URL."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """TELNYX_BASE_URL. TWILIO_BASE_URL is `url` itself."""
        return f"{self.url}/v2"

    @property
    def public_key(self) -> str:
        """TELNYX_PUBLIC_KEY."""
        return self._webhooks.public_key

    # --- handsets -----------------------------------------------------------------------------------------------------

    def handset(
        self,
        number: str,
        steps: Sequence[Step] = (),
        *,
        on_ring: Ring = "answer",
        ring_seconds: float = 0.1,
        answerer: Answerer = "human",
    ) -> ScriptedHandset:
        """Connect a scripted handset: it can be called, and can `call`."""
        handset = ScriptedHandset(
            number,
            steps,
            tasks=self.tasks,
            on_ring=on_ring,
            ring_seconds=ring_seconds,
            answerer=answerer,
            tts=self.tts,
        )
        self.switch.attach(handset)
        return handset

    async def call(self, handset: Handset, to_number: str) -> Leg | None:
        """A handset dials a number of the platform. None if the number is not in service (see `on_ended`)."""
        if isinstance(handset, ScriptedHandset):
            await handset.prepare()
        return self.switch.call(handset, to_number)

    def own(self, number: str) -> None:
        """Give the account a number at this connection without a search and an order: a shortcut for tests."""
        self.state.phone_numbers[number] = phone_number(
            self.state.next_id(), number, kind="local", country="US", connection_id=self.connection_id
        )
        self.state.save()

    def _announce(self, event_type: str, payload: dict[str, Any]) -> None:
        self._webhooks.send(WebhookQueue(self.webhook_url, {event_type: ACCOUNT_RETRIES_MS}), event_type, payload)
