"""/api/v1/webhook-logs: every message to the developer's servers, and sending one again."""

from typing import Any, cast

from django.db.models import Prefetch
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Developer
from bubblyphone.core.api import data, format_time, page_of
from bubblyphone.core.json_documents import parse_stored_json
from webhooks import redelivery
from webhooks.models import WebhookAttempt, WebhookDelivery

_ATTEMPTS = Prefetch("attempts", WebhookAttempt.objects.order_by("number"))


class WebhookLogFilters(serializers.Serializer[Any]):
    """The filters of the list."""

    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices, required=False)
    event_type = serializers.CharField(max_length=60, required=False)


class WebhookLogsView(APIView):
    """GET /webhook-logs."""

    def get(self, request: Request) -> Response:
        filters = WebhookLogFilters(data=request.query_params.dict())
        filters.is_valid(raise_exception=True)
        rows = redelivery.deliveries_of(cast(Developer, request.user)).filter(**filters.validated_data)
        return page_of(request, rows.prefetch_related(_ATTEMPTS), delivery_data)


class ResendView(APIView):
    """POST /webhook-logs/{id}/resend."""

    def post(self, request: Request, pk: int) -> Response:
        return data(delivery_data(redelivery.resend(developer=cast(Developer, request.user), delivery_id=pk)))


class ResendFailedView(APIView):
    """POST /webhook-logs/resend-failed."""

    def post(self, request: Request) -> Response:
        return data({"resent": redelivery.resend_failed(developer=cast(Developer, request.user))})


def delivery_data(delivery: WebhookDelivery) -> dict[str, Any]:
    """A message with all attempts, oldest first."""
    return {
        "id": delivery.pk,
        "webhook_id": str(delivery.webhook_id),
        "event_type": delivery.event_type,
        "url": delivery.url,
        "request_payload": parse_stored_json(delivery.body),
        "status": delivery.status,
        "next_attempt_at": format_time(delivery.next_attempt_at),
        "created_at": format_time(delivery.created_at),
        "attempts": [_attempt_data(attempt) for attempt in delivery.attempts.all()],
    }


def _attempt_data(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "response_status": attempt.response_status,
        "response_body": attempt.response_body,
        "latency_ms": attempt.latency_ms,
        "success": attempt.success,
        "error_message": attempt.error_message,
        "created_at": format_time(attempt.created_at),
    }
