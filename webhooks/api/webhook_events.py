"""The events about webhooks themselves."""

from bubblyphone.core.api.json_schema import text
from bubblyphone.core.api.webhook_schema import Webhook

WEBHOOKS = {
    "webhook_endpoint.failing": Webhook(
        "Several attempts to send an event to one of your endpoints failed. Sent to your other endpoints, at most once a day.",
        {
            "webhook_endpoint_id": text("3"),
            "url": text("https://yourapp.com/events"),
            "failed_event": text("call.hangup", "The type of the event that could not be sent."),
        },
        at="2026-03-27T17:20:00Z",
    ),
}
