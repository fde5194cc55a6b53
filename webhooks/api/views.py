"""/api/v1/webhook-logs: every message to the developer's servers, and sending one again."""

from typing import Any

from django.db.models import Prefetch
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from bubblyphone.core.api.views import data, page_of, validated_query
from webhooks.api.responses import WEBHOOK_LOG
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.sending import redelivery

_ATTEMPTS = Prefetch("attempts", WebhookAttempt.objects.order_by("number"))


class WebhookLogFilters(serializers.Serializer[Any]):
    """The filters of the list."""

    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices, required=False)
    event_type = serializers.CharField(max_length=60, required=False)


class WebhookLogsView(APIView):
    """GET /webhook-logs."""

    def get(self, request: Request) -> Response:
        filters = validated_query(WebhookLogFilters, request)
        rows = redelivery.deliveries_of(signed_in(request)).filter(**filters)
        return page_of(request, rows.prefetch_related(_ATTEMPTS), WEBHOOK_LOG.of)


class ResendView(APIView):
    """POST /webhook-logs/{id}/resend."""

    def post(self, request: Request, pk: int) -> Response:
        return data(WEBHOOK_LOG.of(redelivery.resend(developer=signed_in(request), delivery_id=pk)))


class ResendFailedView(APIView):
    """POST /webhook-logs/resend-failed."""

    def post(self, request: Request) -> Response:
        return data({"resent": redelivery.resend_failed(developer=signed_in(request))})
