"""/api/v1/events and /api/v1/webhook-endpoints."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from bubblyphone.core.api.views import NewestFirstPagination, data, page_of, validated, validated_query
from bubblyphone.core.database.prepared_queries import PreparedList
from webhooks import account_endpoints, event_feed
from webhooks.api.responses import ENDPOINT, EVENT, NEW_ENDPOINT, WEBHOOK_LOG
from webhooks.api.serializers import EndpointSerializer, EventFilters
from webhooks.models import WebhookEndpoint

_ENDPOINTS = PreparedList(account_endpoints.endpoints_of)


class EventsView(APIView):
    """GET /events: oldest first; `after` an id reads on from there, and so does the cursor of a page, which is one."""

    def get(self, request: Request) -> Response:
        chosen = validated_query(EventFilters, request)
        size = NewestFirstPagination().read_size(request)
        last_read = request.query_params.get("cursor", chosen.get("after"))
        developer = signed_in(request)
        found = event_feed.after(developer.pk, last_read, chosen.get("type", ()))
        if since := chosen.get("since"):
            found = found.filter(event_feed.in_period(developer.pk, since))
        rows = list(found[: size + 1])
        shown = rows[:size]
        last = shown[-1].public_id if len(rows) > size else None
        link = None if last is None else replace_query_param(request.build_absolute_uri(), "cursor", last)
        return Response(
            {
                "data": [EVENT.of(row) for row in shown],
                "meta": {"per_page": size, "next_cursor": last, "prev_cursor": None},
                "links": {"next": link, "prev": None},
            }
        )


class EndpointsView(AdminKeyView):
    """GET and POST /webhook-endpoints."""

    def get(self, request: Request) -> Response:
        return page_of(request, _ENDPOINTS.of(signed_in(request).pk), ENDPOINT.of)

    def post(self, request: Request) -> Response:
        body = validated(EndpointSerializer, request)
        return _with_secret(*account_endpoints.create(developer=signed_in(request), **body), status=201)


class EndpointView(AdminKeyView):
    """GET, PATCH and DELETE /webhook-endpoints/{id}."""

    def get(self, request: Request, pk: int) -> Response:
        return data(ENDPOINT.of(account_endpoints.get_endpoint(developer=signed_in(request), pk=pk)))

    def patch(self, request: Request, pk: int) -> Response:
        changes: dict[str, Any] = validated(EndpointSerializer, request, partial=True)
        return data(ENDPOINT.of(account_endpoints.update(developer=signed_in(request), pk=pk, **changes)))

    def delete(self, request: Request, pk: int) -> Response:
        account_endpoints.delete(developer=signed_in(request), pk=pk)
        return Response(status=204)


class TestEndpointView(AdminKeyView):
    """POST /webhook-endpoints/{id}/test."""

    def post(self, request: Request, pk: int) -> Response:
        return data(WEBHOOK_LOG.of(account_endpoints.send_test(developer=signed_in(request), pk=pk)))


class RotateEndpointSecretView(AdminKeyView):
    """POST /webhook-endpoints/{id}/rotate-secret."""

    def post(self, request: Request, pk: int) -> Response:
        return _with_secret(*account_endpoints.rotate_secret(developer=signed_in(request), pk=pk))


def _with_secret(endpoint: WebhookEndpoint, secret: str, *, status: int = 200) -> Response:
    return data(NEW_ENDPOINT.of(endpoint, secret=secret), status=status)
