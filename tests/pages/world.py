"""An account with one of everything, and fingerprints of its database."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import email_verification, passwords
from accounts.models import BrowserSession, Developer
from accounts.services import issue_api_key, open_session
from agents.models import Agent
from agents.secrets import create_secret
from agents.services import create_model_key, save_draft, update_agent
from billing.models import Card, Payment
from calls.control.scheduled_calls import schedule
from calls.models import DoNotCallNumber, Recording
from tests.billing.payments import save_card
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_agent, make_carrier_account, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import RecordingServer
from tests.fakes.stripe_server import FakeStripe
from tests.pages.signed_in import signed_in_client
from tests.pages.test_agents import agent_form
from tests.phone_numbers.requirement_answers import upload
from webhooks import event_feed
from webhooks.account_endpoints import create as create_endpoint
from webhooks.account_endpoints import update as update_endpoint
from webhooks.models import WebhookDelivery
from webhooks.outbox import publish

# Routes for machines, which have their own tests, and the admin (tests/staff/test_forms.py).
OTHERS = (
    "api/v1/",
    "site.webmanifest",
    "favicon.ico",
    "webhooks/<slug:name>",
    "webhooks/stripe",
    "admin/",
    "docs",
    "healthz",
    "readyz",
)
NOT_OURS = {"sandbox/demo-tool"}  # stands in for a developer's server
OWNED = "+14155550100"  # owned at the carrier, but not imported yet
SEARCH = "country=US&number_type=local"
# Tables that change whenever a page is viewed or a form is sent.
LOOKED_AT = ("django_session", "accounts_browsersession", "core_press")


class World:
    """An account with one of everything, and a browser with CSRF checks."""

    def __init__(self, stripe: FakeStripe, server: RecordingServer, exchange: ExchangeThread) -> None:
        self.stripe, self.server, self.exchange = stripe, server, exchange
        self.developer = developer = make_account("100")
        Developer.objects.filter(pk=developer.pk).update(email_verified_at=None)
        self.agent = make_agent(developer=developer, model_slug="local-offline", system_prompt="Be brief.")
        self.number = make_streaming_number(developer, model_slug="local-offline", webhook_url=f"{server.url}/hook")
        self.webhook_number = make_phone_number(developer=developer, webhook_url=f"{server.url}/hook")
        self.call = make_call(self.number, timezone.now())
        self.ended_call = make_call(self.number, timezone.now(), status="completed", ended_at=timezone.now())
        self.secret = create_secret(developer=developer, name="KEY", value="s3cret")
        self.endpoint = create_endpoint(developer=developer, url=f"{server.url}/all", event_types=["*"])[0]
        self.key = create_model_key(developer=developer, provider="openai", api_key="sk-proj-0123456789")
        self.carrier_account = make_carrier_account(developer, **exchange.credentials())
        exchange.exchange.own(OWNED)
        exchange.exchange.own(self.number.e164)
        self.card = save_card(stripe, developer)
        Card.objects.update(is_default=False)
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(developer)

    def path_of(self, name: str) -> str:
        """The address for an object of the account. Numbers are bought on the page of a search."""
        path = reverse(name, kwargs=self._kwargs_of(name))
        if name == "country":
            self.client.get(path)  # stores the carrier's requirements
        return f"{path}?{SEARCH}" if name == "buy-number" else path

    def _kwargs_of(self, name: str) -> dict[str, Any]:
        developer = self.developer
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "reset-password": lambda: {"token": passwords.make_token(developer)},
            "verify-email": lambda: {"token": email_verification.make_token(developer)},
            "sign-out-browser": lambda: {"pk": self._browser()},
            "end-session": lambda: {"pk": int(open_session(developer=developer).partition("|")[0])},
            "revoke-api-key": lambda: {"key_id": issue_api_key(developer=developer)[0].pk},
            "test-top-up": lambda: {"reference": self._payment()},
            "choose-card": lambda: {"pk": self.card.pk},
            "remove-card": lambda: {"pk": self.card.pk},
            "resend-webhook": lambda: {"pk": self._failed_delivery()},
            "docs-section": lambda: {"slug": "calls"},
            "country": lambda: {"code": "GB", "number_type": "local"},
            "delete-recording": lambda: {"identifier": self._recording()},
            "test-webhook": lambda: {"pk": self.webhook_number.pk},
            "publish-draft": lambda: {"pk": self._whole_draft()},
            "discard-draft": lambda: {"pk": self._drafted()},
            "restore-agent-version": lambda: {"pk": self.agent.pk, "number": self._earlier_version()},
            "release-number": lambda: {"pk": self.webhook_number.pk},
            "test-carrier-account": lambda: {"pk": self.carrier_account.pk},
            "update-carrier-account": lambda: {"pk": self.carrier_account.pk},
            "delete-carrier-account": lambda: {"pk": self.carrier_account.pk},
            "remove-do-not-call": lambda: {"pk": self._listed_number()},
            "change-call-view": lambda: {"pk": developer.saved_views.create(name="Failed", query="status=failed").pk},
            "cancel-scheduled-call": lambda: {"pk": self._scheduled()},
            "enable-endpoint": lambda: {"pk": self._disabled_endpoint()},
            "event": lambda: {"public_id": self._event()},
        }
        if name in made:
            return made[name]()
        if name == "resend-events":
            self._event()
        if name == "resend-failed-webhooks":
            self._failed_delivery()
        pattern = next(found for found in patterns() if found.name == name)
        known = {
            "agents": self.agent.pk,
            "model-keys": self.key.pk,
            "secrets": self.secret.pk,
            "webhook-endpoints": self.endpoint.pk,
            "numbers": self.number.pk,
        }
        values = {"pk": known.get(str(pattern.pattern).partition("/")[0]), "identifier": self.call.pk, "number": 1}
        return {parameter: values[parameter] for parameter in pattern.pattern.converters}

    def _scheduled(self) -> int:
        due_at = timezone.now() + timedelta(hours=1)
        return schedule(
            developer=self.developer, number=self.number, to="+12025550123", agent=None, variables={}, due_at=due_at,
            time_zone="UTC",
        ).pk  # fmt: skip

    def _event(self) -> str:
        publish(developer_id=self.developer.pk, subject="number:1", event_type="call.hangup", payload={}, endpoints=())
        newest, _ = event_feed.newest(self.developer.pk)
        assert newest is not None
        return newest

    def filled(self, form: dict[str, Any]) -> dict[str, Any]:
        return {self._text(name): self._value(value) for name, value in form.items()}

    def _value(self, value: Any) -> Any:
        return upload(value) if isinstance(value, bytes) else self._text(value)

    def _text(self, text: str) -> str:
        text = re.sub(r"\{pk:(\w+)\}", lambda match: str(getattr(self, match[1]).pk), text)
        return (
            text.replace("{email}", self.developer.email)
            .replace("{server}", self.server.url)
            .replace("{api_key}", self.exchange.exchange.api_key)
            .replace("{draft}", Agent.objects.get(pk=self.agent.pk).draft_mark)
            .replace("{offer}", self._offer() if "{offer}" in text else "")
        )

    def _offer(self) -> str:
        html = self.client.get(f"/numbers/buy?{SEARCH}").content.decode()
        return re.findall(r'data-fill-phone_number="([^"]+)"', html)[0]

    def _drafted(self) -> int:
        save_draft(agent=self.agent, form="name=Half")
        return self.agent.pk

    def _whole_draft(self) -> int:
        """A draft that can be published, in the form that the editor's page sends."""
        save_draft(agent=self.agent, form=urlencode(agent_form(name="Whole")))
        return self.agent.pk

    def _earlier_version(self) -> int:
        update_agent(agent=self.agent, changes={"description": "Changed since."})
        return 1

    def _browser(self) -> int:
        signed_in_client(self.developer).get("/account")
        self.client.get("/account")
        return BrowserSession.objects.exclude(session_key=self.client.session.session_key).latest("pk").pk

    def _payment(self) -> UUID:
        return Payment.objects.create(
            developer=self.developer, kind="top_up", amount=10, is_test=True, reference=uuid4(), status="pending"
        ).reference

    def _failed_delivery(self) -> int:
        return WebhookDelivery.objects.create(
            developer=self.developer,
            url=f"{self.server.url}/hook",
            event_type="call.hangup",
            body="{}",
            status="failed",
            subject=f"call:{self.call.pk}",
            webhook_id=uuid4(),
            signing_secret=self.number.signing_secret,
        ).pk

    def _listed_number(self) -> int:
        return DoNotCallNumber.objects.create(developer=self.developer, phone_number="+12025550199", source="page").pk

    def _disabled_endpoint(self) -> int:
        return update_endpoint(developer=self.developer, pk=self.endpoint.pk, enabled=False).pk

    def _recording(self) -> int:
        name = storages["recordings"].save("call.wav", upload(b"RIFF", "call.wav"))
        Recording.objects.create(call=self.call, status="ready", maker="platform", name=name, size_bytes=4)
        return self.call.pk


def patterns(found: list[Any] | None = None, prefix: str = "") -> Iterator[URLPattern]:
    """All URL patterns of the dashboard."""
    for pattern in get_resolver().url_patterns if found is None else found:
        path = prefix + str(pattern.pattern)
        if path.startswith(OTHERS) or path in NOT_OURS:
            continue
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern.url_patterns, path)
        else:
            yield pattern


def digest() -> dict[str, str | None]:
    """A fingerprint of each table."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name not in LOOKED_AT]
        rows = "sum(hashtextextended(row::text, 0))::text"  # independent of order, so that nothing has to be sorted
        queries = [f"SELECT '{name}', {rows} FROM \"{name}\" row" for name in tables]  # noqa: S608
        cursor.execute(" UNION ALL ".join(queries))
        return dict(cursor.fetchall())


def changed(before: dict[str, str | None], after: dict[str, str | None]) -> set[str]:
    return {name for name in after if before[name] != after[name]}
