"""Developers' own carrier accounts at the built-in exchange, and webhooks signed by their owners."""

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Developer
from bubblyphone.core.money import ZERO
from phone_numbers.models import PhoneNumber
from tests.factories import make_phone_number
from tests.fakes.exchange_thread import ExchangeThread

ACCOUNTS = "/api/v1/carrier-accounts"
IMPORT = "/api/v1/phone-numbers/import"
NUMBER = "+14155550100"
KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()


def add(client: APIClient, exchange: ExchangeThread, **credentials: str) -> Any:
    credentials = {"api_key": exchange.exchange.api_key, "public_key": PUBLIC_KEY} | credentials
    body = {"provider": "telnyx", "label": "Ours", "credentials": credentials}
    return client.post(ACCOUNTS, body, format="json")


def own_elsewhere(exchange: ExchangeThread, number: str = NUMBER) -> dict[str, Any]:
    """A number of the account at the exchange, routed to another application."""
    exchange.exchange.own(number)
    record: dict[str, Any] = exchange.exchange.state.phone_numbers[number]
    record["connection_id"] = "elsewhere"
    return record


def report(account_id: int | str, call_id: str, *, key: Ed25519PrivateKey = KEY, **payload: str) -> int:
    """Send an event signed by the account's owner, as their carrier would. Returns the status."""
    call_payload = {"call_control_id": call_id, "from": "+12025550123", "to": NUMBER, "direction": "incoming"} | payload
    event = {
        "event_type": "call.initiated",
        "id": call_id,
        "occurred_at": "2026-11-30T03:00:00Z",
        "payload": call_payload,
    }
    event |= {name: payload[name] for name in event.keys() & payload.keys()}
    body = json.dumps({"data": event}).encode()
    stamp = str(int(time.time()))
    signature = base64.b64encode(key.sign(stamp.encode() + b"|" + body)).decode()
    headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
    path = f"/webhooks/telnyx/own/{account_id}"
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def imported(developer: Developer, account_id: int, **fields: Any) -> PhoneNumber:
    return make_phone_number(
        developer=developer,
        e164=NUMBER,
        carrier=f"telnyx:{account_id}",
        source="imported",
        monthly_cost=ZERO,
        webhook_url="https://agent.example.com/webhook",
        **fields,
    )
