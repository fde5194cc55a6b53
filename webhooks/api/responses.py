"""What responses hold of webhook deliveries."""

from bubblyphone.core.api.json_schema import (
    Read,
    Schema,
    choice,
    flag,
    free_object,
    listing,
    moment,
    nullable,
    shape,
    text,
    whole,
)
from bubblyphone.core.json.documents import parse_stored_json
from webhooks import event_feed
from webhooks.models import WebhookDelivery

ATTEMPT = shape(
    "DeliveryAttempt",
    {
        "attempt": Read("number", whole(1, "1 for the first attempt.", minimum=1)),
        "response_status": nullable(whole(200)),
        "response_body": text('{"status":"ok"}', "The first 64 KiB."),
        "latency_ms": whole(183),
        "success": flag(example=True),
        "error_message": nullable(text("The webhook did not respond within 10 seconds."), example=None),
        "created_at": moment(),
    },
)
WEBHOOK_LOG = shape(
    "WebhookLog",
    {
        "id": whole(7),
        "webhook_id": text(
            "0f8f7c1e-7d0c-4a39-9e5e-0d3c8a1f5b11",
            "The `X-Webhook-Id` header, the same on every attempt. For an account endpoint, the event's `id`.",
        ),
        "webhook_endpoint_id": Read(
            "endpoint_id", nullable(whole(3, "The account endpoint. Null for a number's URL."), example=None)
        ),
        "event_type": text("call.hangup"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": Read(
            lambda delivery: parse_stored_json(delivery.body or "{}"),
            free_object({"event": "call.hangup", "call_id": "42"}),
        ),
        "status": choice(WebhookDelivery.Status.values, "delivered", "`failed` means that all attempts failed."),
        "next_attempt_at": nullable(moment("When we try again. Null if we don't."), example=None),
        "created_at": moment(),
        "attempts": Read(
            lambda delivery: [ATTEMPT.of(attempt) for attempt in delivery.attempts.all()],
            listing(ATTEMPT, "Attempts, oldest first."),
        ),
    },
)
EVENT = shape(
    "Event",
    {
        "id": Read(
            "public_id", text("evt_5f0c3a9be7d14e5c8f7b2a6d1c9e0b34", "Also the `X-Webhook-Id` at account endpoints.")
        ),
        "type": Read("event_type", text("call.hangup")),
        "created_at": moment(),
        "call_id": Read(event_feed.call_id_of, nullable(whole(42, "Null if the event is not about a call."))),
        "data": Read(
            lambda event: parse_stored_json(event.body),
            free_object({"event": "call.hangup", "call_id": "42"}, "The body of the event's webhook."),
        ),
    },
)
_ENDPOINT: dict[str, Schema | Read] = {
    "id": whole(3),
    "url": text("https://yourapp.com/events"),
    "events": Read("event_types", listing(text("call.report"), 'Event types, or `["*"]` for all.', ["call.report"])),
    "description": text("CRM"),
    "enabled": flag("Disabled endpoints receive nothing. We never disable an endpoint.", example=True),
    "created_at": moment(),
}
ENDPOINT = shape("WebhookEndpoint", _ENDPOINT)
NEW_ENDPOINT = shape(
    "NewWebhookEndpoint",
    {**_ENDPOINT, "secret": text("whsec_Vk3pQ9…", "The signing secret. Shown only once.")},
)
