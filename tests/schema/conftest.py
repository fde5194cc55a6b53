"""An account with one of everything, on a live server with the built-in exchange as its carrier."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Developer
from agents.agent_settings.call_config import CallConfig
from agents.models import Agent
from agents.providers.registry import get_model
from agents.secrets import create_secret
from agents.services import create_model_key
from billing.ledger import test_credit as give_credit
from billing.models import Card
from calls.models import Analysis, Call, Recording, Transcription
from phone_numbers.models import PhoneNumber
from tests.factories import make_agent, make_api_key, make_carrier_account, make_developer, make_endpoint
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.conftest import configure_carrier, exchange
from tests.schema import OWN_KEY_ID
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.outbox import Address, publish

__all__ = ["configure_carrier", "exchange"]


@dataclass
class World:
    """The objects for examples and random requests."""

    url: str
    key: str
    developer: Developer
    number: PhoneNumber
    spare_number: PhoneNumber
    agent: Agent
    spare_agent: Agent
    model_key_id: int
    spare_key_id: int
    secret_ids: list[int]
    card_id: int
    ended_call: Call
    running_call: Call
    webhook_log_id: int
    webhook_endpoint_ids: list[int]
    carrier_account_ids: list[int]
    exchange: ExchangeThread
    session_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture
def world(
    transactional_db: None, live_server: Any, exchange: ExchangeThread, settings: Any, empty_redis: Any
) -> Iterator[World]:
    settings.RATE_LIMIT_PER_MINUTE = 10_000_000
    settings.PUBLIC_URL = live_server.url
    # Nothing listens on this port, so no test reaches a vendor.
    away = {
        name: {**provider, "OPTIONS": {**provider["OPTIONS"], "base_url": "http://127.0.0.1:9/v1"}}
        for name, provider in settings.MODEL_PROVIDERS.items()
        if name != "local"
    }
    settings.MODEL_PROVIDERS = {**settings.MODEL_PROVIDERS, **away}
    twilio = settings.CARRIERS["twilio"]
    options = {**twilio["OPTIONS"], "base_url": "http://127.0.0.1:9"}
    settings.CARRIERS = {**settings.CARRIERS, "twilio": {**twilio, "OPTIONS": options}}
    get_model.cache_clear()
    developer = make_developer(email="jane@example.com")
    give_credit(developer_id=developer.pk, amount=1000, key="schema-tests")  # type: ignore[arg-type]
    api_key, key = make_api_key(developer, is_admin=True)
    ApiKey.objects.filter(pk=api_key.pk).update(id=OWN_KEY_ID)
    client = Client(headers={"Authorization": f"Bearer {key}"})
    numbers = [_buy(client), _buy(client)]
    agents = [make_agent(developer=developer, system_prompt="You are helpful.") for _ in range(2)]
    keys = [
        create_model_key(developer=developer, provider="openai", api_key=f"sk-proj-{index:032}", label="Mine").pk
        for index in range(2)
    ]
    login = {"email": developer.email, "password": "secret123"}
    token = client.post("/api/v1/auth/login", login, content_type="application/json").json()["token"]
    number = numbers[0]
    number.mode, number.system_prompt = "streaming", "You are helpful."
    number.save()
    yield World(
        url=live_server.url,
        key=key,
        developer=developer,
        number=number,
        spare_number=numbers[1],
        agent=agents[0],
        spare_agent=agents[1],
        model_key_id=keys[0],
        spare_key_id=keys[1],
        secret_ids=[create_secret(developer=developer, name=name, value="s3cret").pk for name in ("ONE", "OTHER")],
        card_id=Card.objects.create(developer=developer, stripe_id="pm_schema", brand="visa", last_four="4242").pk,
        ended_call=_add_results(
            _call(
                number, status="completed", hangup_cause="normal_clearing", ended_at=timezone.now(), duration_seconds=95
            )
        ),
        running_call=_call(number, status="answered"),
        webhook_log_id=_failed_webhook(number),
        webhook_endpoint_ids=[make_endpoint(developer, "https://example.com/events")[0].pk for _ in range(2)],
        carrier_account_ids=[make_carrier_account(developer, **exchange.credentials()).pk for _ in range(2)],
        exchange=exchange,
        session_token=token,
    )
    get_model.cache_clear()


def _buy(client: Client) -> PhoneNumber:
    offer = client.get("/api/v1/phone-numbers/available?area_code=415&limit=1").json()["data"][0]
    body = {"phone_number": offer["phone_number"]}
    bought = client.post("/api/v1/phone-numbers", body, content_type="application/json")
    assert bought.status_code == 201, bought.content
    return PhoneNumber.objects.get(pk=bought.json()["data"]["id"])


def _failed_webhook(number: PhoneNumber) -> int:
    sent = publish(
        developer_id=number.developer_id,
        subject="call:0",
        event_type="call.hangup",
        payload={"event": "call.hangup", "call_id": "0"},
        to=[Address("https://example.com/hook", number.signing_secret_id)],
    ).deliveries.get()
    WebhookDelivery.objects.filter(pk=sent.pk).update(status="failed", next_attempt_at=None, attempt_count=1)
    WebhookAttempt.objects.create(delivery=sent, number=1, response_status=500, latency_ms=183, success=False)
    return sent.pk


def _add_results(call: Call) -> Call:
    """Add a recording, a transcription and an analysis."""
    done: dict[str, Any] = {"call": call, "status": "ready", "next_attempt_at": None, "finished_at": timezone.now()}
    segment = {"start": 0.0, "end": 2.48, "text": "We are open from nine.", "role": "model"}
    Recording.objects.create(maker="platform", name="calls/0.wav", duration_ms=95_200, size_bytes=3_046_400, **done)
    Transcription.objects.create(source="offline:moonshine-tiny-en", segments=[segment], **done)
    Analysis.objects.create(source="offline_rules", **done)
    schema = {"qualified_lead": {"type": "boolean", "description": "Interested?"}}
    call.config["analysis_schema"] = {"value": schema, "source": "number_agent"}
    call.analysis_result = {"qualified_lead": True, "budget": 5000}
    call.save()
    return call


def _call(number: PhoneNumber, **fields: Any) -> Call:
    defaults: dict[str, Any] = {
        "direction": "inbound",
        "from_number": "+19075550101",
        "to_number": number.e164,
        "mode": "streaming",
        "model_slug": "gemini-3.1-flash-live",
        "answered_at": timezone.now(),
        "session_seen_at": timezone.now(),
        "config": CallConfig(model_slug="gemini-3.1-flash-live", voice="Kore").to_json(),
    }
    call = Call.objects.create(developer=number.developer, phone_number=number, **{**defaults, **fields})
    call.events.create(event_type="call.initiated", source="system")
    call.transcript.create(role="user", text="Hello", spoken_at=timezone.now())
    return call
