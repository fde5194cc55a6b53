"""What the API's description says about webhook deliveries."""

from bubblyphone.core.schema import Operation
from bubblyphone.core.shapes import (
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
from webhooks.api.views import WebhookLogFilters
from webhooks.models import WebhookDelivery

ATTEMPT = shape(
    "DeliveryAttempt",
    {
        "attempt": whole(1, "From 1.", minimum=1),
        "response_status": nullable(whole(200)),
        "response_body": text('{"status":"ok"}', "To 64 KiB."),
        "latency_ms": whole(183),
        "success": flag(example=True),
        "error_message": nullable(text("The webhook did not answer within 10 seconds."), example=None),
        "created_at": moment(),
    },
)
WEBHOOK_LOG = shape(
    "WebhookLog",
    {
        "id": whole(7),
        "webhook_id": text("0f8f7c1e-7d0c-4a39-9e5e-0d3c8a1f5b11", "The header `X-Webhook-Id` of every attempt."),
        "event_type": text("call.hangup"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": free_object({"event": "call.hangup", "call_id": "42"}),
        "status": choice(WebhookDelivery.Status.values, "delivered", "`failed`: all attempts were in vain."),
        "next_attempt_at": nullable(moment(), example=None),
        "created_at": moment(),
        "attempts": listing(ATTEMPT, "Oldest first."),
    },
)

OPERATIONS = {
    "Webhook deliveries": {
        "GET /webhook-logs": Operation(
            "List webhook deliveries",
            "Every message to your servers with all attempts, newest first.",
            answer=page_of(WEBHOOK_LOG),
            query=WebhookLogFilters,
        ),
        "POST /webhook-logs/{id}/resend": Operation(
            "Send a webhook again",
            "The same body under the same `X-Webhook-Id`, at once. What is answered to it is not carried out.",
            answer=data_of(WEBHOOK_LOG),
            errors={409: "It is on its way already."},
        ),
        "POST /webhook-logs/resend-failed": Operation(
            "Send again all that failed",
            "Notices that were given up. Questions of a moment, like `call.incoming`, are left out.",
            answer=data_of(record({"resent": whole(3, "How many are on their way again.")})),
        ),
    },
}
FIELDS = {
    "WebhookLogFilters.status": "Where the delivery stands.",
    "WebhookLogFilters.event_type": "The event, like `call.hangup`.",
}
