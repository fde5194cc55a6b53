"""What the API's description says about webhook deliveries."""

from bubblyphone.core.json_schema import (
    choice,
    data_of,
    flag,
    free_object,
    listing,
    moment,
    nullable,
    page_of,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.schema import Operation
from webhooks.api.views import WebhookLogFilters
from webhooks.models import WebhookDelivery

ATTEMPT = shape(
    "DeliveryAttempt",
    {
        "attempt": whole(1, "1 for the first attempt.", minimum=1),
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
            "0f8f7c1e-7d0c-4a39-9e5e-0d3c8a1f5b11", "The `X-Webhook-Id` header, the same on every attempt."
        ),
        "event_type": text("call.hangup"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": free_object({"event": "call.hangup", "call_id": "42"}),
        "status": choice(WebhookDelivery.Status.values, "delivered", "`failed` means that all attempts failed."),
        "next_attempt_at": nullable(moment(), example=None),
        "created_at": moment(),
        "attempts": listing(ATTEMPT, "Attempts, oldest first."),
    },
)

OPERATIONS = {
    "Webhook deliveries": {
        "GET /webhook-logs": Operation(
            "List webhook deliveries",
            "All webhooks sent to your servers, with every attempt. Newest first.",
            answer=page_of(WEBHOOK_LOG),
            query=WebhookLogFilters,
        ),
        "POST /webhook-logs/{id}/resend": Operation(
            "Resend a webhook",
            "Send the same body again now, with the same `X-Webhook-Id`. Actions in the response are ignored.",
            answer=data_of(WEBHOOK_LOG),
            errors={409: "The webhook is already being sent."},
        ),
        "POST /webhook-logs/resend-failed": Operation(
            "Resend all failed webhooks",
            "Resend every failed notification. Requests that need an immediate response, like `call.incoming`, are not resent.",
            answer=data_of(record({"resent": whole(3, "The number of webhooks being resent.")})),
        ),
    },
}
FIELDS = {
    "WebhookLogFilters.status": "Status of the delivery.",
    "WebhookLogFilters.event_type": "Event type, for example `call.hangup`.",
}
