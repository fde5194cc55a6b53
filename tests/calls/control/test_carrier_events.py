"""The carrier's reports doubled, delayed and in any order: the same state, bill and webhooks (cases by Hypothesis)."""

import base64
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import ledger
from calls.clock import sweeper
from calls.models import Call, CallEvent
from tests import carriers, factories
from tests.long_runs import IS_LONG, how_many
from webhooks.models import WebhookDelivery

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def carrier_key(settings: Any) -> None:
    """The carrier's webhooks are signed with our key; commands to it are sent after a commit, which never comes here."""
    public_key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    carriers.configure(settings, {"public_key": public_key, "api_key": "KEY", "connection_id": "c"})


def report(kind: str, call: str, at: float, **payload: Any) -> dict[str, Any]:
    occurred = BEGIN + timedelta(seconds=at)
    return {
        "data": {
            "record_type": "event",
            "event_type": f"call.{kind}",
            "id": str(uuid.uuid4()),
            "occurred_at": occurred.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "payload": {
                "call_control_id": call,
                "call_leg_id": "leg",
                "call_session_id": "session",
                "connection_id": "c",
                "client_state": None,
                "from": "+15551230000",
                **payload,
            },
        },
        "meta": {"attempt": 1},
    }


def deliver(body: dict[str, Any], client: Client) -> int:
    raw = json.dumps(body).encode()
    timestamp = str(int(time.time()))
    signature = base64.b64encode(KEY.sign(timestamp.encode() + b"|" + raw)).decode()
    return client.post(
        "/webhooks/telnyx",
        raw,
        content_type="application/json",
        headers={"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature},
    ).status_code


def outcome(call: Call) -> dict[str, Any]:
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}")
    return {
        "status": call.status,
        "cause": call.hangup_cause,
        "seconds": call.duration_seconds,
        "telephony": call.telephony_cost,
        "model": call.model_cost,
        "balance": ledger.balance(call.developer_id),
        "webhooks": sorted(hooks.values_list("event_type", flat=True)),
        "hangup": [
            {name: json.loads(hook.body)[name] for name in ("duration_seconds", "cost", "hangup_cause")}
            for hook in hooks.filter(event_type="call.hangup")
        ],
        "events": sorted(CallEvent.objects.filter(call=call).values_list("event_type", flat=True)),
    }


@pytest.mark.slow
@pytest.mark.django_db
@settings(
    max_examples=how_many(60, long=200),
    derandomize=not IS_LONG,  # the same orders in every run; other ones in a long run
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_order_and_any_repeats_come_to_the_same(data: st.DataObject, carrier_key: None) -> None:
    developer = factories.make_developer()
    ledger.test_credit(developer_id=developer.pk, amount=Decimal("10"), key=f"test:{developer.pk}")
    number = factories.make_phone_number(
        developer=developer,
        mode="streaming",
        model_slug="gemini-3.1-flash-live",
        system_prompt="Be brief.",
        webhook_url="http://127.0.0.1:9/hook",
    )
    control = f"v3:{uuid.uuid4()}"
    reports = [
        report("initiated", control, 0, direction="incoming", state="parked", to=number.e164),
        report("answered", control, 1, to=number.e164),
        report("hangup", control, 96, to=number.e164, hangup_cause="normal_clearing", hangup_source="caller"),
    ]
    repeats = data.draw(st.lists(st.sampled_from(range(3)), max_size=4))
    order = data.draw(st.permutations([0, 1, 2, *repeats]))
    client = Client()
    for index in order:
        assert deliver(reports[index], client) == 200
    call = Call.objects.get(carrier_call_id=control)
    sweeper.finish_hung_up(datetime.now(UTC))
    call.refresh_from_db()
    assert outcome(call) == {
        "status": "completed",
        "cause": "normal_clearing",
        "seconds": 95,
        "telephony": Decimal("0.08"),
        "model": 0,  # no model was ever connected
        "balance": Decimal("9.92"),
        "webhooks": ["call.answered", "call.ended", "call.hangup", "call.incoming"],
        "hangup": [{"duration_seconds": 95, "cost": 0.08, "hangup_cause": "normal_clearing"}],
        "events": ["call.answered", "call.ended", "call.initiated", "call.ringing"],
    }
