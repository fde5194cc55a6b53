"""What the API's description says about webhook deliveries."""

from bubblyphone.core.json_schema import data_of, page_of, record, whole
from bubblyphone.core.schema import Operation
from webhooks.api.shapes import WEBHOOK_LOG
from webhooks.api.views import WebhookLogFilters

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
