"""Fills the demo account with data for its pages. Run `python -m tests.browser.seed` in a platform's environment."""

import io
import json
import os
import sys
import tempfile
import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
import numpy as np
from PIL import Image, ImageDraw

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
django.setup()

from django.core.files.base import ContentFile  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Developer  # noqa: E402
from agents import services as agents  # noqa: E402
from agents.agent_settings.resolution import resolve  # noqa: E402
from agents.models import Agent  # noqa: E402
from billing import ledger  # noqa: E402
from calls.after_call.recording_files import storage  # noqa: E402
from calls.after_call.wav_file import WavFile  # noqa: E402
from calls.control.scheduled_calls import schedule  # noqa: E402
from calls.dashboard.timeline_chart import WORDS_PER_SECOND  # noqa: E402
from calls.models import (  # noqa: E402
    Call,
    CallEvent,
    CallTurn,
    CarrierEventRecord,
    Recording,
    ScheduledCall,
    TranscriptEntry,
)
from calls.policy import services as policy  # noqa: E402
from phone_numbers.models import (  # noqa: E402
    PhoneNumber,
    Verification,
    VerificationDocument,
    VerificationEvent,
)
from sandbox.demo import EMAIL  # noqa: E402
from webhooks import account_endpoints, outbox  # noqa: E402
from webhooks.models import Event, WebhookAttempt, WebhookDelivery, WebhookEndpoint  # noqa: E402

RATE = 8000
NOW = timezone.now().replace(microsecond=0)
PROMPT = """You are Robin of Harbour Dental. You are calling {{customer_name}} about the appointment on {{day}}.
Be polite and brief. If another day suits better, look for one with check_availability."""
TOOLS = [
    {
        "name": "check_availability",
        "description": "Which times are free on a day",
        "parameters": {
            "type": "object",
            "properties": {"date": {"type": "string", "format": "date"}},
            "required": ["date"],
        },
    }
]
SCHEMA = {
    "confirmed": {"type": "boolean", "description": "Did they confirm the appointment?"},
    "outcome": {"type": "selector", "description": "How it ended", "options": ["confirmed", "moved", "cancelled"]},
}
VIEW = "direction=outbound&columns=confirmed&columns=outcome"
TALK = [
    (1, "model", "Hello, this is Marco from Luna Trattoria. How can I help you?"),
    (8, "user", "Hi, do you have a table for four this Friday at half past seven?"),
    (12, "model", "Let me look. Yes, Friday at half past seven is free for four people."),
    (20, "user", "Great. Is the terrace open, and may we bring our dog?"),
    (22, "model", "Dogs are welcome on the terrace. May I have a name for the table?"),
    (29, "user", "Weber, thank you."),
    (31, "model", "Thank you, Ms Weber. I have booked a table for four on Friday at half past seven."),
]


def seed_agent(developer: Developer) -> Agent:
    agents.create_model_key(developer=developer, provider="openai", api_key="sk-proj-0000000r4nk", label="Production")
    changes = {
        "name": "Harbour Dental reception", "description": "Reminds patients of their appointments.",
        "model_slug": "local-offline", "system_prompt": PROMPT, "greeting_message": "Greet {{customer_name}} by name.",
        "voice": "Joe", "language": "en-US", "tools": TOOLS, "tool_webhook_url": "http://localhost:9/tools",
        "analysis_schema": SCHEMA,
    }  # fmt: skip
    return agents.create_agent(developer=developer, changes=changes)


def seed_call(number: PhoneNumber, days_ago: float, seconds: int, **fields: Any) -> Call:
    started = NOW - timedelta(days=days_ago)
    answered = started + timedelta(seconds=2)
    minutes = -(-seconds // 60)
    values: dict[str, Any] = {
        "direction": "inbound", "from_number": "+12025550143", "to_number": number.e164, "mode": "streaming",
        "model_slug": "gemini-3.1-flash-live", "status": "completed", "hangup_cause": "normal_clearing",
        "started_at": started, "answered_at": answered, "ended_at": answered + timedelta(seconds=seconds),
        "settled_at": answered + timedelta(seconds=seconds), "duration_seconds": seconds,
        "telephony_rate": Decimal("0.04"), "model_rate": Decimal("0.04"), "telephony_cost": minutes * Decimal("0.04"),
        "model_cost": (seconds * Decimal("0.04") / 60).quantize(Decimal("0.001")), "transcript_announced": True, "model_spoke_at": answered,
        "config": resolve(request={}, request_agent=None, number=number).to_json(), **fields,
    }  # fmt: skip
    call = Call.objects.create(developer=number.developer, phone_number=number, **values)
    for kind, amount in (("telephony", call.telephony_cost), ("model", call.model_cost)):
        if amount:
            ledger.post_entry(
                developer_id=call.developer_id, key=f"call:{call.pk}:{kind}", kind=kind, amount=-amount,
                description=f"Call from {call.from_number}", at=call.settled_at,
            )  # fmt: skip
    return call


def seed_plans(number: PhoneNumber, agent: Agent) -> None:
    """A future call, one that was not dialed, and a saved view of the calls list."""
    rows = [
        schedule(
            developer=number.developer, number=number, to=to, agent=agent, variables={"customer_name": "Ms Weber"},
            due_at=NOW + timedelta(days=3), time_zone="Europe/Berlin",
        )
        for to in ("+12025550143", "+12025550188")
    ]  # fmt: skip
    refused = {"status": "not_dialed", "due_at": NOW - timedelta(days=1), "detail": "Your balance is too low."}
    ScheduledCall.objects.filter(pk=rows[1].pk).update(**refused)
    number.developer.saved_views.create(name="Outbound, with results", query=VIEW)


def refuse(call: Call) -> None:
    """A busy call, with the carrier's report."""
    for seconds, name, metadata in (
        (0, "call.initiated", {}),
        (1, "call.ringing", {}),
        (2, "call.failed", {"reason": "busy"}),
    ):
        moment = call.started_at + timedelta(seconds=seconds)
        CallEvent.objects.create(
            call=call, event_type=name, source="telephony", event_timestamp=moment, metadata=metadata
        )
    CarrierEventRecord.objects.create(
        event_id=f"seed-{call.pk}", event_type="call.hangup", carrier_call_id=call.carrier_call_id, cause="busy",
        detail="sip 486", occurred_at=call.started_at + timedelta(seconds=2),
    )  # fmt: skip


def fill_call(call: Call) -> None:
    """Add everything that can happen in a call."""
    assert call.answered_at is not None
    zero = call.answered_at
    for at, role, text in TALK:
        TranscriptEntry.objects.create(call=call, role=role, text=text, spoken_at=zero + timedelta(seconds=at))
    moments = [
        (-2, "call.initiated", {}), (-2, "call.ringing", {}), (0, "call.answered", {}),
        (0.4, "stream.connected", {"model": call.model_slug}), (9, "tool.called", {"tool": "check_availability"}),
        (9.2, "tool.returned", {"tool": "check_availability", "ok": True, "latency_ms": 184}),
        (18, "model.interrupted", {"heard_ms": 3200}), (38, "call.ended", {"hangup_cause": call.hangup_cause}),
    ]  # fmt: skip
    for at, name, metadata in moments:
        moment = zero + timedelta(seconds=at)
        CallEvent.objects.create(
            call=call, event_type=name, source="streaming", event_timestamp=moment, metadata=metadata
        )
    for at, model, tools in ((12, 420, 184), (22, 510, 0), (31, 380, 0)):
        CallTurn.objects.create(
            call=call, answered_at=zero + timedelta(seconds=at), carrier_in_ms=60, detection_ms=220, model_ms=model,
            tool_ms=tools, own_ms=3, playout_ms=45, total_ms=328 + model + tools,
        )  # fmt: skip
    deliver(call, "call.started", {}, 200, "")
    tool_call = {"tool": "check_availability", "arguments": {"date": "2026-11-27"}}
    deliver(call, "call.tool_call", tool_call, 200, '{"result":{"times":["19:30","21:00"]}}')
    deliver(call, "call.hangup", {"duration_seconds": call.duration_seconds}, 500, "upstream is down")


def record(call: Call) -> None:
    """A recording in which each side hums while it speaks."""
    assert call.answered_at is not None
    chance = np.random.default_rng(7)
    sides = {role: np.zeros((call.duration_seconds or 0) * RATE) for role in ("user", "model")}
    for at, role, text in TALK:
        count = int(len(text.split()) / WORDS_PER_SECOND * RATE)
        begin = at * RATE if role == "model" else max(0, at * RATE - count)
        swell = np.repeat(chance.random(count // 800 + 1), 800)[:count]
        part = sides[role][begin : begin + count]
        part += (np.sin(np.arange(count) * 0.3) * swell * 9000)[: len(part)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        file = WavFile(path, RATE, call.answered_at)
        file.append(*(side.astype("<i2").tobytes() for side in (sides["user"], sides["model"])))
        file.close()
        with path.open("rb") as content:
            name = storage().save(f"seed/{call.pk}.wav", content)
        Recording.objects.create(
            call=call, maker="platform", status="ready", name=name, started_at=call.answered_at, finished_at=NOW,
            duration_ms=(call.duration_seconds or 0) * 1000, size_bytes=path.stat().st_size,
        )  # fmt: skip


def deliver(call: Call, event_type: str, fields: dict[str, Any], status: int, answer: str) -> None:
    assert call.phone_number is not None
    body = json.dumps({"event": event_type, "call_id": str(call.pk), **fields}, separators=(",", ":"))
    delivery = WebhookDelivery.objects.create(
        webhook_id=uuid.uuid4(), developer=call.developer, signing_secret=call.phone_number.signing_secret,
        subject=f"call:{call.pk}", event_type=event_type, url="https://hooks.example.com/bubblyphone", body=body,
        status="delivered" if status == 200 else "failed", attempt_count=1, next_attempt_at=None,
        created_at=(call.answered_at or NOW) + timedelta(seconds=9),
    )  # fmt: skip
    WebhookAttempt.objects.create(
        delivery=delivery, number=1, response_status=status, response_body=answer, latency_ms=183, success=status == 200,
        created_at=delivery.created_at,
    )  # fmt: skip


def seed_endpoint(developer: Developer, call: Call) -> tuple[WebhookEndpoint, Event]:
    """An endpoint, and events of which one was sent to it."""
    endpoint, _ = account_endpoints.create(
        developer=developer, url="https://crm.example.com/bubblyphone/events", description="CRM",
        event_types=["call.hangup", "call.report", "call.recording.ready", "call.analysis.ready"], enabled=False,
    )  # fmt: skip
    for name in ("call.started", "call.answered", "call.hangup"):
        payload = {"event": name, "call_id": str(call.pk), "duration_seconds": call.duration_seconds}
        event = outbox.publish(
            developer_id=developer.pk, subject=f"call:{call.pk}", event_type=name, payload=payload,
            endpoints=[endpoint] if name == "call.hangup" else [],
        )  # fmt: skip
    return endpoint, event


def submit_documents(developer: Developer) -> Verification:
    """A bill as an image, and a name, both pending review."""
    page = Image.new("RGB", (620, 400), "white")
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(
        ("NORTHERN ELECTRIC", "Demo, 12 Quay Street, London SE1 2AB", "", "Your bill: 41.20 GBP")
    ):
        pen.text((40, 40 + 40 * row), line, fill="black", font_size=24)
    picture = io.BytesIO()
    page.save(picture, "PNG")
    verification = Verification.objects.create(
        developer=developer, country_code="GB", number_type="local", submitted_at=NOW - timedelta(hours=5)
    )
    VerificationEvent.objects.create(verification=verification, status="pending", actor=developer)
    bill = VerificationDocument(
        verification=verification, requirement_id="bill", name="Proof of Address (Local)", kind="document",
        filename="bill.png", content_type="image/png",
    )  # fmt: skip
    bill.file.save("", ContentFile(picture.getvalue()))
    VerificationDocument.objects.create(
        verification=verification,
        requirement_id="name",
        name="Contact Info",
        kind="textual",
        value="Demo, +1 202-555-0143",
    )
    return verification


def main() -> None:
    """Print the IDs that tests use, as JSON."""
    developer = Developer.objects.get(email=EMAIL)
    number = PhoneNumber.objects.filter(developer=developer).order_by("pk").first()
    assert number is not None
    agent = seed_agent(developer)
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(50), key="seed")
    for day in range(29, 0, -1):
        for index in reversed(range(1 + day % 4)):
            seed_call(number, day + index / 7, 40 + 23 * ((day + index) % 6))
    busy = {
        "status": "failed", "hangup_cause": "busy", "answered_at": None, "duration_seconds": 0, "carrier_call_id": "seed-busy",
    }  # fmt: skip
    nothing = {"telephony_cost": Decimal(0), "model_cost": Decimal(0)}
    failed = seed_call(number, 0.02, 0, direction="outbound", to_number="+12025550177", agent=agent, **busy, **nothing)
    refuse(failed)
    call = seed_call(number, 0.01, 38)
    fill_call(call)
    record(call)
    seed_plans(number, agent)
    endpoint, event = seed_endpoint(developer, call)
    for digit in range(4):
        policy.add(
            developer_id=developer.pk, phone_number=f"+1202555018{digit}", source=["page", "agent"][digit % 2],
            reason="Asked not to be called again." if digit else "",
        )  # fmt: skip
    ids = {"agent": agent.pk, "call": call.pk, "failed_call": failed.pk, "number": number.pk, "developer": developer.pk}
    ids |= {"endpoint": endpoint.pk, "event": event.public_id}
    if "documents" in sys.argv:
        ids["verification"] = submit_documents(developer).pk
    print(json.dumps(ids))  # noqa: T201


if __name__ == "__main__":
    main()
