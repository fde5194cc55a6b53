"""What the API's description says about webhook deliveries."""

from bubblyphone.core.api.json_schema import data_of, page_of, record, whole
from bubblyphone.core.api.openapi import Operation
from webhooks.api.responses import ENDPOINT, EVENT, NEW_ENDPOINT, WEBHOOK_LOG
from webhooks.api.serializers import EndpointSerializer, EventFilters
from webhooks.api.views import WebhookLogFilters

OPERATIONS = {
    "Events": {
        "GET /events": Operation(
            "List events",
            "Everything that happened in your account, oldest first, whether or not it was sent to a webhook. Continue with "
            "`after` set to the last `id`: each event is returned exactly once. Events are kept for 30 days.",
            answer=page_of(EVENT),
            query=EventFilters,
        ),
    },
    "Webhook endpoints": {
        "POST /webhook-endpoints": Operation(
            "Create a webhook endpoint",
            "Receives the events of the whole account, in addition to each number's `webhook_url`. The secret is returned only "
            "in this response. Failed deliveries are retried after 5, 30, and 120 seconds, 10 minutes, and 1, 6, and 16 hours.",
            answer=data_of(NEW_ENDPOINT),
            status=201,
            body=EndpointSerializer,
            example={"url": "https://yourapp.com/events", "events": ["call.hangup"], "description": "CRM"},
        ),
        "GET /webhook-endpoints": Operation(
            "List your webhook endpoints", "Newest first. Secrets are not returned.", answer=page_of(ENDPOINT)
        ),
        "GET /webhook-endpoints/{id}": Operation("Get a webhook endpoint", answer=data_of(ENDPOINT)),
        "PATCH /webhook-endpoints/{id}": Operation(
            "Update a webhook endpoint",
            "Omitted fields stay unchanged. Retries in progress go to the new URL. Disabling the endpoint cancels them.",
            answer=data_of(ENDPOINT),
            body=EndpointSerializer,
            example={"events": ["*"]},
        ),
        "DELETE /webhook-endpoints/{id}": Operation(
            "Delete a webhook endpoint", "Retries in progress are canceled.", status=204
        ),
        "POST /webhook-endpoints/{id}/test": Operation(
            "Send a test event",
            "Send a `webhook.test` event to the endpoint. The result is in the webhook deliveries.",
            answer=data_of(WEBHOOK_LOG),
        ),
        "POST /webhook-endpoints/{id}/rotate-secret": Operation(
            "Rotate an endpoint's secret",
            "The new secret is returned only in this response. For 24 hours webhooks are signed with both secrets.",
            answer=data_of(NEW_ENDPOINT),
        ),
    },
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
    "EndpointSerializer.url": "The address that receives events.",
    "EndpointSerializer.events": 'Event types, or `["*"]` for all of them.',
    "EndpointSerializer.description": "A note for yourself.",
    "EndpointSerializer.enabled": "Whether events are sent to the endpoint. Default: true.",
    "EventFilters.after": "The `id` of the last event you read. Omit it to start with the oldest.",
    "EventFilters.since": "Only events since this time, like `2026-04-05T12:00:00Z`. A bare date is its first moment in UTC.",
    "EventFilters.type": "Event types, separated by commas.",
    "WebhookLogFilters.status": "Status of the delivery.",
    "WebhookLogFilters.event_type": "Event type, for example `call.hangup`.",
}
