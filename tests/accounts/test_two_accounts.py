"""Objects of other accounts are not found, like those that do not exist: in every API route with an ID, and every ID in a body."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import Developer
from agents.models import ModelKey
from agents.secrets import create_secret
from billing.models import Card
from bubblyphone.core.crypto import encrypt
from calls.models import Call
from calls.policy import services
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer, make_agent, make_api_key, make_carrier_account, make_endpoint
from webhooks.models import WebhookDelivery
from webhooks.outbox import Address, publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

MISSING = 10**15
METHODS = ("get", "post", "put", "patch", "delete")
# Route parameters that do not name an object of an account: a country, a month.
COMMON = {"code", "month_id"}
# Valid bodies for routes that would reject an empty one.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("calls/<str:identifier>/context", "post"): {"message": "The customer's name is Jane."},
    ("calls/<str:identifier>/speak", "post"): {"text": "Hello."},
    ("secrets/<int:pk>", "patch"): {"value": "an0ther"},
    ("calls/<str:identifier>/transfer", "post"): {"to": "+14155550199"},
}


class Foreign:
    """One of everything, owned by an account other than the one that sends the requests."""

    def __init__(self) -> None:
        owner = make_account()
        key = {"provider": "openai", "encrypted": encrypt("sk-foreign"), "last_four": "eign"}
        self.model_key = ModelKey.objects.create(developer=owner, **key)
        self.agent = make_agent(developer=owner)
        self.number = make_streaming_number(owner, agent=self.agent)
        self.call = make_call(self.number, timezone.now(), sandbox=True)
        self.ids = {
            "agents": self.agent.pk,
            "api-keys": make_api_key(owner)[0].pk,
            "calls": self.call.pk,
            "carrier-accounts": make_carrier_account(owner, api_key="KEYforeign").pk,
            "model-keys": self.model_key.pk,
            "secrets": create_secret(developer=owner, name="KEY", value="s3cret").pk,
            "phone-numbers": self.number.pk,
            "webhook-logs": self._delivery(),
            "do-not-call": services.add(developer_id=owner.pk, phone_number="+12025550199", source="api").pk,
            "webhook-endpoints": make_endpoint(owner, "https://example.com/foreign")[0].pk,
            "billing/payment-methods": Card.objects.create(developer=owner, stripe_id="pm_foreign").pk,
        }

    def _delivery(self) -> int:
        sent = publish(
            developer_id=self.number.developer_id,
            subject=f"call:{self.call.pk}",
            event_type="call.hangup",
            payload={"event": "call.hangup"},
            to=[Address(self.number.webhook_url, self.number.signing_secret_id)],
        ).deliveries.get()
        WebhookDelivery.objects.filter(pk=sent.pk).update(status="failed", next_attempt_at=None)
        return sent.pk


def routes(found: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every route under /api/v1/ with its view."""
    for pattern in (found or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/v1/"):
            yield route.removeprefix("api/v1/"), pattern.callback


WITH_IDS = sorted(
    (route, method)
    for route, view in routes()
    if "<" in route and route.partition(":")[2].partition(">")[0] not in COMMON
    for method in METHODS
    if hasattr(view.view_class, method)
)


def everything() -> list[Any]:
    """All rows of our apps, except when a key was last used."""
    labels = {"accounts", "webhooks", "agents", "billing", "numbers", "calls", "sandbox"}
    models = [model for model in apps.get_models() if model._meta.app_label in labels]
    rows = serializers.serialize("python", [row for model in models for row in model.objects.order_by("pk")])
    for row in rows:
        row["fields"].pop("last_used_at", None)
    return rows


@pytest.fixture
def mine() -> Developer:
    return make_account()


def send(client: Client, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    body = {} if method == "get" else {"data": body, "content_type": "application/json"}
    return getattr(client, method)(f"/api/v1/{path}", **body, headers=headers)


def test_the_route_table_covers_the_api() -> None:
    """Walking the routes finds these. Routes added later are tested without being listed here."""
    assert {
        ("agents/<int:pk>", "delete"),
        ("agents/<int:pk>", "patch"),
        ("api-keys/<int:key_id>", "delete"),
        ("calls/<str:identifier>", "get"),
        ("calls/<str:identifier>/hangup", "post"),
        ("model-keys/<int:pk>", "delete"),
        ("phone-numbers/<int:pk>", "delete"),
        ("phone-numbers/<int:pk>/rotate-secret", "post"),
    } <= set(WITH_IDS)


@pytest.mark.parametrize(("route", "method"), WITH_IDS)
def test_another_account_s_id_is_not_found(client: Client, mine: Developer, route: str, method: str) -> None:
    foreign = Foreign()
    headers = bearer(mine, is_admin=True)
    before = everything()
    resource, _, rest = route.partition("/<")
    action = rest.partition(">")[2]
    answers = [
        send(client, method, f"{resource}/{pk}{action}", BODIES.get((route, method), {}), headers)
        for pk in (foreign.ids[resource], MISSING)
    ]
    assert [answer.status_code for answer in answers] == [404, 404], answers[0].content
    assert answers[0].content == answers[1].content == b'{"message":"Not found."}'
    assert everything() == before


IDS_IN_BODIES = [
    ("post", "agents", {"name": "A", "model_key_id": "model-keys"}),
    ("patch", "agents/{agent}", {"model_key_id": "model-keys"}),
    ("patch", "phone-numbers/{number}", {"agent_id": "agents"}),
    ("patch", "phone-numbers/{number}", {"model_key_id": "model-keys"}),
    ("post", "calls", {"from": "{e164}", "to": "+14155550199", "agent_id": "agents"}),
    ("post", "calls", {"from": "{e164}", "to": "+14155550199", "model_key_id": "model-keys"}),
]


@pytest.mark.parametrize(("method", "path", "body"), IDS_IN_BODIES)
def test_another_account_s_id_in_a_body_is_as_unknown_as_a_missing_one(
    client: Client, mine: Developer, method: str, path: str, body: dict[str, str]
) -> None:
    foreign = Foreign()
    number = make_streaming_number(mine)
    names = {"agent": make_agent(developer=mine).pk, "number": number.pk, "e164": number.e164}
    headers = bearer(mine, is_admin=True)
    before = everything()
    field = next(name for name in body if name.endswith("_id"))
    answers = [
        send(client, method, path.format(**names), {**_filled(body, names), field: pk}, headers)
        for pk in (foreign.ids[body[field]], MISSING)
    ]
    assert [answer.status_code for answer in answers] == [422, 422], answers[0].content
    assert list(answers[0].json()["errors"]) == [field]
    assert answers[0].content == answers[1].content
    assert everything() == before


def _filled(body: dict[str, str], names: dict[str, Any]) -> dict[str, str]:
    return {name: text.format(**names) for name, text in body.items()}


def test_another_account_s_number_cannot_place_calls(client: Client, mine: Developer) -> None:
    foreign = Foreign()
    headers = bearer(mine, is_admin=True)
    before = everything()
    bodies = [{"from": e164, "to": "+14155550199"} for e164 in (foreign.number.e164, "+14155559999")]
    answers = [send(client, "post", "calls", body, headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].content == answers[1].content
    assert everything() == before


def test_lists_show_nothing_of_other_accounts(client: Client, mine: Developer) -> None:
    foreign = Foreign()
    headers = bearer(mine, is_admin=True)
    lists = [
        "agents",
        "calls",
        "carrier-accounts",
        "do-not-call",
        "events",
        "model-keys",
        "phone-numbers",
        "webhook-endpoints",
    ]
    lists += [f"calls?phone_number_id={pk}" for pk in (foreign.number.pk, MISSING)]
    for path in lists:
        assert send(client, "get", path, None, headers).json()["data"] == []
    keys = send(client, "get", "api-keys", None, headers).json()["data"]
    assert foreign.ids["api-keys"] not in {key["id"] for key in keys}
    assert (PhoneNumber.objects.count(), Call.objects.count()) == (1, 1)
