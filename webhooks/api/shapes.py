"""What responses hold of webhook deliveries."""

from bubblyphone.core.json_documents import parse_stored_json
from bubblyphone.core.json_schema import Read, choice, flag, free_object, listing, moment, nullable, shape, text, whole
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
        "webhook_id": Read(
            lambda delivery: str(delivery.webhook_id),
            text("0f8f7c1e-7d0c-4a39-9e5e-0d3c8a1f5b11", "The `X-Webhook-Id` header, the same on every attempt."),
        ),
        "event_type": text("call.hangup"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": Read(
            lambda delivery: parse_stored_json(delivery.body), free_object({"event": "call.hangup", "call_id": "42"})
        ),
        "status": choice(WebhookDelivery.Status.values, "delivered", "`failed` means that all attempts failed."),
        "next_attempt_at": nullable(moment(), example=None),
        "created_at": moment(),
        "attempts": Read(
            lambda delivery: [ATTEMPT.of(attempt) for attempt in delivery.attempts.all()],
            listing(ATTEMPT, "Attempts, oldest first."),
        ),
    },
)
